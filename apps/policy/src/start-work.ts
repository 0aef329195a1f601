import { SECOND } from '@keymesh/kernel';
import { encodeBeside } from '@keymesh/mesh';
import { makeOutboxRelay, pruneIdempotency, transact, type OutboxRelay } from '@keymesh/postgres';
import type { ServiceKit } from '@keymesh/service-kit';
import { approvalOperations } from './compose/approvals.js';
import { attestationOperations } from './compose/attestation.js';
import { breakGlassOperations } from './compose/break-glass.js';
import { serveConnections, watchViolations } from './compose/connections.js';
import { credentialPolicyOperations } from './compose/credential-policy.js';
import { killSwitchOperations } from './compose/kill-switch.js';
import { policyInsightOperations } from './compose/policy-insight.js';
import { makePorts, type PolicyPorts } from './compose/ports.js';
import { policyOperations } from './compose/policies.js';
import { principalOperations } from './compose/principals.js';
import { sessionOperations } from './compose/sessions.js';
import type { PolicyConfig } from './config.js';
import type { Authority } from './store/authority.js';
import type { PolicyOperations } from './transport/operations.js';

const PRUNE_MS = 60 * SECOND;

/** What goes on in the service, and what it answers. */
export interface Work {
  readonly operations: PolicyOperations;
  readonly relay: OutboxRelay;
}

/** Starts the callout, the relay and the housekeeping; all stop with the service. */
export async function startWork(kit: ServiceKit<PolicyConfig>, authority: Authority): Promise<Work> {
  const relay = startRelay(kit);
  const ports = await makePorts(kit, authority, () => relay.poke());
  serveConnections(ports);
  await watchViolations(ports);
  keepHouse(ports);
  return { operations: allOperations(ports), relay };
}

const allOperations = (ports: PolicyPorts): PolicyOperations => ({
  ...approvalOperations(ports),
  ...attestationOperations(ports),
  ...breakGlassOperations(ports),
  ...credentialPolicyOperations(ports),
  ...killSwitchOperations(ports),
  ...policyOperations(ports),
  ...principalOperations(ports),
  ...sessionOperations(ports),
  ...policyInsightOperations(ports),
});

function startRelay(kit: ServiceKit<PolicyConfig>): OutboxRelay {
  const { dataSource, journal, clock, logger } = kit;
  const relay = makeOutboxRelay({
    dataSource,
    clock,
    publish: ({ payload, beside }) =>
      journal.publishRaw(payload, beside === undefined ? undefined : encodeBeside(beside)),
    onRetry: (code, retryInMs) => logger.warn({ code, retryInMs }, 'outbox waits'),
  });
  relay.start();
  kit.onShutdown('outbox relay', () => relay.stop());
  return relay;
}

function keepHouse({ kit, connections, tokenFailures }: PolicyPorts): void {
  const { dataSource, logger } = kit;
  const failed = (error: unknown): void => logger.warn({ err: error }, 'housekeeping failed');
  const pruning = setInterval(() => {
    void connections.prune().catch(failed);
    void tokenFailures.prune().catch(failed);
    void transact(dataSource, (manager) => pruneIdempotency(manager)).catch(failed);
  }, PRUNE_MS);
  kit.onShutdown('housekeeping', () => clearInterval(pruning));
}
