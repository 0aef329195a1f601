import type { Server } from 'node:http';
import { failure, SERVICES } from '@keymesh/contracts';
import { reconcileBus } from './bus.js';
import type { LauncherConfig } from './config.js';
import { prepareDatabase } from './database.js';
import { readFacts, rememberFacts, type Facts } from './facts.js';
import type { MeshHealth } from './health.js';
import type { Home } from './home.js';
import { listenOn, makeLauncherHttp, type LauncherHttpOptions } from './http.js';
import { ensureIdentities, type Identities } from './identities.js';
import type { Keeper } from './keeper.js';
import { natsTlsOf } from './nats-tls.js';
import { writeAccounts } from './nats.js';
import { choosePort, portInUse } from './ports.js';
import { keepNats, keepPostgres, type ServerStep } from './servers.js';
import { logOriginOf, type Places } from './service-environment.js';
import { makeServiceKeepers } from './services.js';

/** What a start works with, and leaves behind for the stop. */
export interface Boot {
  readonly config: LauncherConfig;
  readonly home: Home;
  /** Everything that runs, by name; filled as it starts. */
  readonly keepers: Map<string, Keeper>;
  /** Servers of the user's own: `nats`, `postgres`. */
  readonly external: Set<string>;
  readonly step: (text: string) => void;
  readonly warn: (text: string) => void;
  /** @throws when a stop was asked for meanwhile. */
  readonly goOn: () => void;
  readonly health: () => Promise<MeshHealth>;
  readonly http: LauncherHttpOptions;
  /** Told of the HTTP server as soon as it listens, so that a stop can close it. */
  readonly onHttp: (server: Server) => void;
}

/** Brings a mesh up, in the order in which its parts need each other. @returns once everything is ready. */
export async function bootMesh(boot: Boot): Promise<Facts> {
  const { config, home, goOn } = boot;
  const since = performance.now();
  const previous = readFacts(home);
  const identities = ensureIdentities(home);
  writeAccounts(home, identities);
  const taken: number[] = [];
  const httpPort = await listen(boot, previous?.httpPort);
  taken.push(httpPort);
  const [database, bus] = await both(
    startDatabase(boot, { previousPort: previous?.postgresPort, taken }),
    startBus(boot, { previousPort: previous?.natsPort, taken }, identities),
  );
  boot.step(`Postgres ${describePlace(database.port)} and NATS ${describePlace(bus.port)}`);
  goOn();
  const [trust] = await both(
    prepareDatabase({
      ...{ config, home, identities, httpPort, natsUrl: bus.url, databaseUrl: database.url },
      unchanged: database.unchanged,
      say: boot.step,
    }),
    reconcileBus(home, bus.url, natsTlsOf(config)),
  );
  goOn();
  const facts: Facts = {
    meshId: trust.meshId,
    natsUrl: bus.url,
    natsTls: natsTlsOf(config),
    httpPort,
    logOrigin: logOriginOf(trust.meshId),
    ...(bus.port === undefined ? {} : { natsPort: bus.port }),
    ...(database.port === undefined ? {} : { postgresPort: database.port }),
  };
  rememberFacts(home, facts);
  await startServices(boot, { natsUrl: bus.url, databaseUrl: database.url, httpPort, meshId: trust.meshId });
  boot.step(`five services are ready, ${((performance.now() - since) / 1_000).toFixed(1)} s after the start`);
  return facts;
}

// Both, always: a failure of one must not leave the other starting behind our back.
async function both<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([first, second]);
  return Promise.all([first, second]);
}

async function listen({ config, http, onHttp }: Boot, previous: number | undefined): Promise<number> {
  const tried: number[] = [];
  for (;;) {
    const port = await choosePort(config.ports.http, { autoPorts: config.autoPorts, previous, taken: tried });
    const server = makeLauncherHttp(http);
    if (await listenOn(server, port)) {
      onHttp(server);
      return port;
    }
    if (!config.autoPorts) throw portInUse(config.ports.http);
    tried.push(port);
  }
}

type PortMemory = Pick<ServerStep, 'previousPort' | 'taken'>;

async function startDatabase(
  { config, home, step, warn, external, keepers }: Boot,
  memory: PortMemory,
): Promise<{ url: string; port?: number; unchanged: boolean }> {
  if (config.database !== undefined) {
    external.add('postgres');
    return { url: config.database.url, unchanged: false };
  }
  const { keeper, port, created, adminUrl } = await keepPostgres({ config, home, step, warn, ...memory });
  keepers.set('postgres', keeper);
  return { url: adminUrl, port, unchanged: !created };
}

async function startBus(
  { config, home, step, warn, external, keepers }: Boot,
  memory: PortMemory,
  identities: Identities,
): Promise<{ url: string; port?: number }> {
  if (config.natsUrl !== undefined) {
    external.add('nats');
    return { url: config.natsUrl };
  }
  const { keeper, port } = await keepNats({ config, home, step, warn, ...memory }, identities);
  keepers.set('nats', keeper);
  const scheme = config.natsTls === undefined ? 'nats' : 'tls';
  return { url: `${scheme}://127.0.0.1:${String(port)}`, port };
}

async function startServices(boot: Boot, places: Places): Promise<void> {
  const { config, home, warn, keepers } = boot;
  const services = makeServiceKeepers({ config, home, places, warn });
  for (const name of SERVICES) keepers.set(name, services[name]);
  await Promise.all(SERVICES.map((name) => services[name].start()));
  await untilReady(boot);
}

const POLL_MS = 100;
const STILL_WAITING_MS = 15_000;

async function untilReady({ health, keepers, goOn, warn, home }: Boot): Promise<void> {
  let sayAt = performance.now() + STILL_WAITING_MS;
  for (;;) {
    goOn();
    const { status, services } = await health();
    if (status === 'ready') return;
    const failed = [...keepers.values()].find((keeper) => keeper.state === 'failed');
    if (failed !== undefined) {
      throw failure('UNAVAILABLE', {
        publicMessage: `${failed.name} does not start: see ${home.log(failed.name)}.`,
      });
    }
    if (performance.now() > sayAt) {
      sayAt += STILL_WAITING_MS;
      const waiting = Object.entries(services).filter(
        ([, { state }]) => state !== 'ready' && state !== 'external',
      );
      warn(
        `still waiting for ${waiting.map(([name, { state }]) => `${name} (${state})`).join(', ')}: see ${home.root}/logs`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

const describePlace = (port: number | undefined): string =>
  port === undefined ? 'of your own' : `on 127.0.0.1:${String(port)}`;
