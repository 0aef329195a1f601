import { identityPrincipal } from '@keymesh/contracts';
import { SECOND } from '@keymesh/kernel';
import { connectMesh, nkeyPairOf, type MeshConnection } from '@keymesh/mesh';
import type { Directory } from '@keymesh/policy-engine';
import { fromCurveSeed } from '@nats-io/nkeys';
import type { PolicyConfig } from '../config.js';
import type { ServiceKit } from '@keymesh/service-kit';
import type { CutConnections, CutRemovedKeys } from '../domain/ports.js';
import { makeAdmitConnection } from '../operations/admit-connection.js';
import { makeNoteViolation } from '../operations/note-violation.js';
import type { Authority } from '../store/authority.js';
import type { ConnectionStore } from '../store/connections.js';
import { serveAuthCallout } from '../transport/auth-callout.js';
import { makeCutConnections, makeCutRemovedKeys } from '../transport/cut-connections.js';
import { isNonceSigned } from '../transport/nkey-proof.js';
import { watchServerLog } from '../transport/watch-server-log.js';
import type { PolicyMetrics } from '../metrics.js';
import type { PolicyPorts } from './ports.js';

type Kit = ServiceKit<PolicyConfig>;

/** Connects to the system account, and cuts whoever is disabled or stopped, whichever instance did it, also while we were not there. */
export async function openCutting(
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
    ...(config.natsTls === undefined ? {} : { tls: config.natsTls }),
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
  let out: ReadonlySet<string> = new Set();
  let nkeysBefore: ReadonlyMap<string, readonly string[]> = new Map();
  const stop = authority.holder.onChange(({ directory }) => {
    metrics.countPrincipals(directory);
    const now = new Set(
      directory
        .list()
        .flatMap(({ name, status }) => (status === 'disabled' || status === 'killed' ? [name] : [])),
    );
    const newly = [...now].filter((name) => !out.has(name));
    out = now;
    if (newly.length > 0) void cutConnections(newly);
    const nkeysNow = nkeysByPrincipal(directory);
    for (const [name, nkeys] of nkeysNow)
      if (nkeysBefore.get(name)?.some((nkey) => !nkeys.includes(nkey)) === true)
        void cutRemovedKeys(name, nkeys);
    nkeysBefore = nkeysNow;
  });
  kit.onShutdown('cutting', stop);
  return { cutConnections, cutRemovedKeys };
}

/** Those that it has for good, and those of its sessions. */
function nkeysByPrincipal(directory: Directory): ReadonlyMap<string, readonly string[]> {
  const nkeys = new Map(directory.list().map((entry) => [entry.name, [...entry.nkeys]]));
  for (const { principal, nkey } of directory.sessions()) nkeys.get(principal)?.push(nkey);
  return nkeys;
}

/** Answers the NATS server's questions whether a connection may be. */
export function serveConnections({
  kit,
  book,
  connections,
  makeRecord,
  refusals,
  attempts,
  metrics,
}: PolicyPorts): void {
  const { config, connection, clock, logger, health } = kit;
  const admit = makeAdmitConnection({
    book,
    remember: (place, entry) => connections.remember(place, entry),
    makeRecord,
    refusals,
    attempts,
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
export async function watchViolations({ kit, book, refusals, makeRecord }: PolicyPorts): Promise<void> {
  const { config, logger } = kit;
  if (config.natsLogFile === undefined) return;
  const watch = await watchServerLog({
    file: config.natsLogFile,
    onViolation: makeNoteViolation({ book, refusals, makeRecord }),
    onFailure: (error) => logger.warn({ err: error }, 'the log of the NATS server could not be read'),
  });
  kit.onShutdown('server log', () => watch.stop());
}
