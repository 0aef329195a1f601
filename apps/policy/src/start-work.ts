import { identityPrincipal } from '@keymesh/contracts';
import { SECOND } from '@keymesh/kernel';
import { connectMesh, encodeBeside, nkeyPairOf, type MeshConnection } from '@keymesh/mesh';
import { makeOutboxRelay, pruneIdempotency, transact, type OutboxRelay } from '@keymesh/postgres';
import type { ServiceKit } from '@keymesh/service-kit';
import { fromCurveSeed } from '@nats-io/nkeys';
import type { PolicyConfig } from './config.js';
import { makeRecordMaker, type MakeRecord } from './domain/audit.js';
import type { OperationPorts } from './domain/authorize.js';
import type { CutConnections, CutRemovedKeys, Record } from './domain/ports.js';
import { makeRefusals, type Refusals } from './domain/refusals.js';
import { makePolicyMetrics, type PolicyMetrics } from './metrics.js';
import { makeAddPrincipalKeys } from './operations/add-principal-keys.js';
import { makeAdmitConnection } from './operations/admit-connection.js';
import { makeCreatePrincipal } from './operations/create-principal.js';
import { makeDescribePrincipal } from './operations/describe-principal.js';
import { makeDisablePrincipal } from './operations/disable-principal.js';
import { makeEnablePrincipal } from './operations/enable-principal.js';
import { makeEnrolPrincipal } from './operations/enrol-principal.js';
import { makeListPrincipals } from './operations/list-principals.js';
import { makeLockPrincipal } from './operations/lock-principal.js';
import { makeNoteViolation } from './operations/note-violation.js';
import { makeRemovePrincipalKeys } from './operations/remove-principal-keys.js';
import { makeSetPrincipalAttributes } from './operations/set-principal-attributes.js';
import { makeSetPrincipalRoles } from './operations/set-principal-roles.js';
import { makeUnlockPrincipal } from './operations/unlock-principal.js';
import type { Authority } from './store/authority.js';
import { makeConnectionStore, type ConnectionStore } from './store/connections.js';
import { serveAuthCallout } from './transport/auth-callout.js';
import { makeCutConnections, makeCutRemovedKeys } from './transport/cut-connections.js';
import { isNonceSigned } from './transport/nkey-proof.js';
import type { PolicyOperations } from './transport/operations.js';
import type { PrincipalChanges } from './transport/principal-changes.js';
import { watchServerLog } from './transport/watch-server-log.js';

type Kit = ServiceKit<PolicyConfig>;
const FLUSH_MS = 5 * SECOND;
const PRUNE_MS = 60 * SECOND;

/** What goes on in the service, and what it answers. */
export interface Work {
  readonly operations: PolicyOperations;
  readonly principalChanges: PrincipalChanges;
  readonly relay: OutboxRelay;
}

/** Composition: which adapter fills which port. Starts the callout, the relay and the housekeeping; all stop with the service. */
export async function startWork(kit: Kit, authority: Authority): Promise<Work> {
  const { journal, clock, logger, instance, config, metrics: kitMetrics } = kit;
  const metrics = makePolicyMetrics(kitMetrics.registry);
  const record: Record = ({ record: entry, beside }) => journal.record(entry, beside);
  const makeRecord = makeRecordMaker({ instance, clock });
  const onLost = (error: unknown): void => logger.warn({ err: error }, 'an audit record could not be kept');
  const refusals = makeRefusals({ record, clock, onLost });
  kit.onShutdown('refusals', () => refusals.flush('now'));
  const relay = startRelay(kit);
  const connections = makeConnectionStore({
    dataSource: kit.dataSource,
    record,
    clock,
    onCommitted: () => relay.poke(),
    onLost,
  });
  const { cutConnections, cutRemovedKeys } = await openCutting(kit, authority, connections, metrics);
  serveConnections(kit, authority, { connections, makeRecord, refusals, metrics });
  await watchViolations(kit, authority, refusals, makeRecord);
  keepHouse(kit, refusals, connections);

  const ports: OperationPorts = {
    book: authority,
    makeRecord,
    refusals,
  };
  const { meshId, meshPublicKey } = config.trustRoot;
  const operations: PolicyOperations = {
    createPrincipal: makeCreatePrincipal({ ...ports, clock }),
    enrolPrincipal: makeEnrolPrincipal({ ...ports, mesh: { meshId, meshPublicKey } }),
    listPrincipals: makeListPrincipals({ ...ports, record }),
    disablePrincipal: makeDisablePrincipal({ ...ports, cutConnections }),
    enablePrincipal: makeEnablePrincipal({ ...ports, clock }),
    lockPrincipal: makeLockPrincipal({ ...ports, clock, cutConnections }),
    unlockPrincipal: makeUnlockPrincipal({ ...ports, clock }),
  };
  const principalChanges: PrincipalChanges = {
    describePrincipal: makeDescribePrincipal({ ...ports, record }),
    setPrincipalRoles: makeSetPrincipalRoles({ ...ports, clock, cutConnections }),
    setPrincipalAttributes: makeSetPrincipalAttributes({ ...ports, clock, cutConnections }),
    addPrincipalKeys: makeAddPrincipalKeys({ ...ports, clock }),
    removePrincipalKeys: makeRemovePrincipalKeys({ ...ports, clock, cutRemovedKeys }),
  };
  return { operations, principalChanges, relay };
}

function startRelay(kit: Kit): OutboxRelay {
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

/** Connects to the system account, and cuts whoever is disabled, whichever instance did it, also while we were not there. */
async function openCutting(
  kit: Kit,
  authority: Authority,
  connections: ConnectionStore,
  metrics: PolicyMetrics,
): Promise<{ readonly cutConnections: CutConnections; readonly cutRemovedKeys: CutRemovedKeys }> {
  const { config, logger, health } = kit;
  const sys: MeshConnection = await connectMesh({
    servers: config.natsUrl,
    nkeySeed: config.sysSeed,
    principal: identityPrincipal('sys'),
    logger,
  });
  kit.onShutdown('system account', () => sys.close());
  health.register('system-account', () => ({ status: sys.isConnected() ? 'ok' : 'degraded' }));
  const cutting = {
    sys: sys.nats,
    connections,
    onCut: (count: number) => metrics.cutConnections.inc(count),
    onFailure: (error: unknown) => logger.warn({ err: error }, 'connections could not be cut'),
  };
  const cutConnections = makeCutConnections(cutting);
  const cutRemovedKeys = makeCutRemovedKeys(cutting);
  let disabled: ReadonlySet<string> = new Set();
  let nkeysBefore: ReadonlyMap<string, readonly string[]> = new Map();
  const stop = authority.holder.onChange(({ directory }) => {
    metrics.countPrincipals(directory);
    const now = new Set(
      directory.list().flatMap(({ name, status }) => (status === 'disabled' ? [name] : [])),
    );
    const newly = [...now].filter((name) => !disabled.has(name));
    disabled = now;
    if (newly.length > 0) void cutConnections(newly);
    for (const { name, nkeys } of directory.list())
      if (nkeysBefore.get(name)?.some((nkey) => !nkeys.includes(nkey)) === true)
        void cutRemovedKeys(name, nkeys);
    nkeysBefore = new Map(directory.list().map(({ name, nkeys }) => [name, nkeys]));
  });
  kit.onShutdown('cutting', stop);
  return { cutConnections, cutRemovedKeys };
}

function serveConnections(
  kit: Kit,
  authority: Authority,
  ports: {
    readonly connections: ConnectionStore;
    readonly makeRecord: MakeRecord;
    readonly refusals: Refusals;
    readonly metrics: PolicyMetrics;
  },
): void {
  const { config, connection, clock, logger, health } = kit;
  const { connections, makeRecord, refusals, metrics } = ports;
  const admit = makeAdmitConnection({
    book: authority,
    remember: (place, entry) => connections.remember(place, entry),
    makeRecord,
    refusals,
    isProven: isNonceSigned,
    clock,
    random: Math.random,
  });
  const issuer = nkeyPairOf(config.calloutIssuerSeed);
  // EXPOSE: the nkey library keeps the curve seed in its own key pair, for as long as the service runs.
  const xkey = fromCurveSeed(config.calloutXkeySeed.expose());
  const callout = serveAuthCallout({
    nats: connection.nats,
    issuer,
    xkey,
    admit,
    clock,
    onAnswered(outcome, durationMs, error) {
      metrics.callouts.inc({ outcome });
      metrics.calloutDuration.observe({ outcome }, durationMs / SECOND);
      if (error !== undefined) logger.error({ err: error }, 'auth callout failed');
    },
  });
  health.register('auth-callout', () => ({ status: connection.isConnected() ? 'ok' : 'down' }));
  kit.onShutdown('auth callout', () => callout.stop());
}

/** What the embedded server refuses it tells in its log only. */
async function watchViolations(
  kit: Kit,
  book: Authority,
  refusals: Refusals,
  makeRecord: MakeRecord,
): Promise<void> {
  const { config, logger } = kit;
  if (config.natsLogFile === undefined) return;
  const watch = await watchServerLog({
    file: config.natsLogFile,
    onViolation: makeNoteViolation({ book, refusals, makeRecord }),
    onFailure: (error) => logger.warn({ err: error }, 'the log of the NATS server could not be read'),
  });
  kit.onShutdown('server log', () => watch.stop());
}

function keepHouse(kit: Kit, refusals: Refusals, connections: ConnectionStore): void {
  const { dataSource, logger } = kit;
  const failed = (error: unknown): void => logger.warn({ err: error }, 'housekeeping failed');
  const flushing = setInterval(() => void refusals.flush(), FLUSH_MS);
  const pruning = setInterval(() => {
    void connections.prune().catch(failed);
    void transact(dataSource, (manager) => pruneIdempotency(manager)).catch(failed);
  }, PRUNE_MS);
  kit.onShutdown('housekeeping', () => {
    clearInterval(flushing);
    clearInterval(pruning);
  });
}
