import { systemClock } from '@keymesh/kernel';
import type { LauncherConfig, PortWish } from './config.js';
import type { Home } from './home.js';
import type { Identities } from './identities.js';
import { makeKeeper, type Keeper } from './keeper.js';
import { leftoverNatsPort, runNats } from './nats.js';
import { ensureServerTls } from './nats-tls.js';
import { choosePort, isPortFree } from './ports.js';
import { leftoverPort, runPostgres } from './postgres.js';

export interface ServerStep {
  readonly config: LauncherConfig;
  readonly home: Home;
  readonly step: (text: string) => void;
  readonly warn: (text: string) => void;
  /** Ports of the last start. */
  readonly previousPort: number | undefined;
  /** Ports that other parts of this start have taken. */
  readonly taken: number[];
}

/** A server that is kept running, and where it is. */
export interface KeptServer {
  readonly keeper: Keeper;
  readonly port: number;
}

/** Starts nats-server and keeps it running. @throws PORT_IN_USE, UNAVAILABLE. */
export async function keepNats(step: ServerStep, identities: Identities): Promise<KeptServer> {
  const { config, home, warn } = step;
  const leftover = await leftoverNatsPort(home, config);
  return onPort(config.ports.nats, step, leftover, (port) =>
    makeKeeper({
      name: 'nats',
      say: warn,
      // At each start: a certificate that nears its end is made anew.
      start: () =>
        runNats(home, {
          ...{ binary: config.natsServer, port, identities },
          tls: ensureServerTls(home, config, systemClock),
        }),
    }),
  );
}

/** Starts the embedded Postgres and keeps it running. `created`: its cluster was made just now. @throws PORT_IN_USE, UNAVAILABLE. */
export async function keepPostgres(
  step: ServerStep,
): Promise<KeptServer & { readonly created: boolean; readonly adminUrl: string }> {
  const { config, home, warn, step: say } = step;
  const leftover = await leftoverPort(home, config);
  let created = false;
  let adminUrl = '';
  const kept = await onPort(config.ports.postgres, step, leftover, (port) =>
    makeKeeper({
      name: 'postgres',
      say: warn,
      start: async () => {
        const running = await runPostgres(home, port, say);
        created ||= running.server.created;
        ({ adminUrl } = running.server);
        return running;
      },
    }),
  );
  return { ...kept, created, adminUrl };
}

const CONFLICTS = 5;

// Between choosing a port and the server's taking it another program may be faster.
async function onPort(
  wish: PortWish,
  { config, previousPort, taken }: ServerStep,
  leftover: number | undefined,
  makeKeeperOn: (port: number) => Keeper,
): Promise<KeptServer> {
  for (let attempt = 1; ; attempt += 1) {
    const port =
      leftover !== undefined && attempt === 1
        ? leftover
        : await choosePort(wish, { autoPorts: config.autoPorts, previous: previousPort, taken });
    taken.push(port);
    const keeper = makeKeeperOn(port);
    try {
      await keeper.start();
      return { keeper, port };
    } catch (error) {
      if (!config.autoPorts || attempt === CONFLICTS || (await isPortFree(port))) throw error;
    }
  }
}
