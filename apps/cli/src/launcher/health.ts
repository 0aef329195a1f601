import { SERVICES, type ServiceName } from '@keymesh/contracts';
import { readJson } from './files.js';
import type { Home } from './home.js';
import type { Keeper, KeeperState } from './keeper.js';

/** State of one part as people see it. */
export type PartState = KeeperState | 'ready' | 'degraded' | 'not-ready' | 'external';

export interface PartHealth {
  readonly state: PartState;
  readonly pid?: number;
  readonly httpPort?: number;
  readonly restarts?: number;
}

export interface MeshHealth {
  /** `ready` once every part is ready (or serves degraded). */
  readonly status: 'ready' | 'starting';
  readonly services: Readonly<Record<string, PartHealth>>;
}

interface ReadyFile {
  readonly pid: number;
  readonly httpPort: number;
}

/** HTTP port of a service that has become ready, of this very process. */
export function readyPort(home: Home, service: ServiceName, pid: number | undefined): number | undefined {
  const file = readJson(home.run(`${service}.ready.json`)) as ReadyFile | undefined;
  return file !== undefined && file.pid === pid ? file.httpPort : undefined;
}

const facts = (keeper: Keeper) => ({
  ...(keeper.pid === undefined ? {} : { pid: keeper.pid }),
  restarts: keeper.restarts,
});

async function serviceHealth(home: Home, service: ServiceName, keeper: Keeper): Promise<PartHealth> {
  if (keeper.state !== 'running') return { state: keeper.state, ...facts(keeper) };
  const httpPort = readyPort(home, service, keeper.pid);
  if (httpPort === undefined) return { state: 'starting', ...facts(keeper) };
  return { state: await askReady(httpPort), httpPort, ...facts(keeper) };
}

async function askReady(httpPort: number): Promise<PartState> {
  try {
    const reply = await fetch(`http://127.0.0.1:${String(httpPort)}/health/ready`, {
      signal: AbortSignal.timeout(2_000),
    });
    const { status } = (await reply.json()) as { status?: string };
    if (reply.status !== 200) return 'not-ready';
    return status === 'degraded' ? 'degraded' : 'ready';
  } catch {
    return 'not-ready';
  }
}

const WELL: readonly PartState[] = ['ready', 'degraded', 'external'];

/** Looks at every part now. `keepers` may be incomplete while starting; a server that is missing there is `external` if so told. */
export async function meshHealth(
  home: Home,
  keepers: ReadonlyMap<string, Keeper>,
  external: ReadonlySet<string>,
): Promise<MeshHealth> {
  const services = await Promise.all(
    SERVICES.map(async (service): Promise<[string, PartHealth]> => {
      const keeper = keepers.get(service);
      return [
        service,
        keeper === undefined ? { state: 'starting' } : await serviceHealth(home, service, keeper),
      ];
    }),
  );
  const servers = ['nats', 'postgres'].map((name): [string, PartHealth] => {
    if (external.has(name)) return [name, { state: 'external' }];
    const keeper = keepers.get(name);
    if (keeper === undefined) return [name, { state: 'starting' }];
    return [name, { state: keeper.state === 'running' ? 'ready' : keeper.state, ...facts(keeper) }];
  });
  const all = [...services, ...servers];
  const ready = all.every(([, part]) => WELL.includes(part.state));
  return { status: ready ? 'ready' : 'starting', services: Object.fromEntries(all) };
}
