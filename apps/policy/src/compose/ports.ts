import { SECOND } from '@keymesh/kernel';
import { CONFIRM_EVERY_MS, openAskPolicy, type ServiceKit } from '@keymesh/service-kit';
import type { PolicyConfig } from '../config.js';
import { makeRecordMaker } from '../domain/audit.js';
import { bookPolicy, type OperationPorts } from '../domain/authorize.js';
import type { ConnectionAttempts } from '../domain/failed-attempts.js';
import { makeBundleRollCall, type BundleRollCall } from '../domain/bundle-roll-call.js';
import type { CutConnections, CutRemovedKeys, Record } from '../domain/ports.js';
import { makeRefusals } from '../domain/refusals.js';
import { makePolicyMetrics, type PolicyMetrics } from '../metrics.js';
import type { Authority } from '../store/authority.js';
import { makeConnectionStore, type ConnectionStore } from '../store/connections.js';
import type { makeTokenFailures } from '../store/token-failures.js';
import { hearConfirmations } from '../transport/hear-confirmations.js';
import { openAttempts } from './attempts.js';
import { openCutting } from './connections.js';

/** All that operations need of the world; each takes what it names. */
export interface PolicyPorts extends OperationPorts {
  readonly kit: ServiceKit<PolicyConfig>;
  readonly clock: ServiceKit['clock'];
  readonly book: Authority;
  /** Writes an audit record that no change goes with. */
  readonly record: Record;
  readonly connections: ConnectionStore;
  /** Failed attempts to come in. */
  readonly attempts: ConnectionAttempts;
  readonly tokenFailures: ReturnType<typeof makeTokenFailures>;
  readonly cutConnections: CutConnections;
  readonly cutRemovedKeys: CutRemovedKeys;
  readonly metrics: PolicyMetrics;
  /** Which instances decide by which bundle. */
  readonly rollCall: BundleRollCall;
}

const FLUSH_MS = 5 * SECOND;

/** Which adapter fills which port. @param onCommitted after each commit: the outbox has something. */
export async function makePorts(
  kit: ServiceKit<PolicyConfig>,
  book: Authority,
  onCommitted: () => void,
): Promise<PolicyPorts> {
  const { journal, clock, logger, instance, dataSource, connection } = kit;
  const metrics = makePolicyMetrics(kit.metrics.registry);
  const record: Record = ({ record: entry, beside }) => journal.record(entry, beside);
  const onLost = (error: unknown): void => logger.warn({ err: error }, 'an audit record could not be kept');
  const refusals = makeRefusals({ record, clock, onLost });
  const flushing = setInterval(() => void refusals.flush(), FLUSH_MS);
  kit.onShutdown('refusals', () => {
    clearInterval(flushing);
    return refusals.flush('now');
  });
  const connections = makeConnectionStore({ dataSource, record, clock, onCommitted, onLost });
  const cutting = await openCutting(kit, book, connections, metrics);
  const makeRecord = makeRecordMaker({ instance, clock });
  const rollCall = makeBundleRollCall(clock, { settleMs: 2 * CONFIRM_EVERY_MS });
  kit.onShutdown('roll call', hearConfirmations(connection, book.holder, rollCall));
  const counting = openAttempts({ kit, refusals, makeRecord, metrics });
  return {
    kit,
    clock,
    book,
    askPolicy: openAskPolicy(kit, { policy: bookPolicy(book, clock) }),
    record,
    makeRecord,
    refusals,
    connections,
    metrics,
    rollCall,
    ...cutting,
    ...counting,
  };
}
