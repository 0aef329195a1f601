import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { failure, SERVICES, toPublicError } from '@keymesh/contracts';
import { KeymeshError } from '@keymesh/kernel';
import { reconcileBus } from './bus.js';
import { natsTlsOf } from './nats-tls.js';
import { launcherEnvironment, parseLauncherConfig } from './config.js';
import { prepareDatabase } from './database.js';
import { homeAt, makeHome, type Home } from './home.js';
import { ensureIdentities } from './identities.js';
import { writeAccounts } from './nats.js';

// The deploy-time half of the launcher, for containers: `node apps/cli/dist/launcher/initialise.js keys|mesh`. Runs no service, may be
// repeated. `keys` makes the keys and `nats/accounts.conf`, so that the NATS server can start; `mesh` then brings database and streams
// to where the services can start, and lays out one folder of files for each of them under `services/`.

const HTTP_PORT_OF_NOBODY = 0;

async function initialise(part: string | undefined): Promise<void> {
  if (part !== 'keys' && part !== 'mesh')
    throw failure('USAGE', { publicMessage: 'Name what to initialise: keys, or mesh.' });
  const config = parseLauncherConfig(launcherEnvironment(), []);
  const home = homeAt(config.home);
  makeHome(home);
  const identities = ensureIdentities(home);
  writeAccounts(home, identities);
  if (part === 'keys') return;
  const { natsUrl, database } = config;
  if (natsUrl === undefined || database === undefined) {
    throw failure('CONFIG_INVALID', {
      publicMessage: 'Set KEYMESH_NATS_URL and KEYMESH_DATABASE_URL: this works on servers of your own.',
    });
  }
  const say = (text: string): void => void process.stdout.write(`  ✓ ${text}\n`);
  await reconcileBus(home, natsUrl, natsTlsOf(config));
  const places = { databaseUrl: database.url, natsUrl, httpPort: HTTP_PORT_OF_NOBODY };
  await prepareDatabase({ config, home, identities, ...places, unchanged: false, say });
  for (const service of SERVICES) layOut(home, service);
  say(`laid out the files of each service in ${join(home.root, 'services')}`);
}

/** One folder with all that a service reads, and nothing of the others: to be mounted, or made a Kubernetes Secret. */
function layOut(home: Home, service: (typeof SERVICES)[number]): void {
  const folder = join(home.root, 'services', service);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const own = join(home.root, 'secrets', service);
  const files: (readonly [from: string, name: string])[] = [
    ...readdirSync(own).map((name) => [join(own, name), name] as const),
    [home.trust, 'trust.json'],
  ];
  if (service === 'policy')
    files.push([home.secret('sys', 'nats.seed'), 'sys.seed'], [home.genesis, 'genesis.json']);
  if (service === 'vault') files.push([home.masterKey, 'master.key']);
  // Copies keep the mode 0600 of what they are copied from.
  for (const [from, name] of files) copyFileSync(from, join(folder, name));
}

try {
  await initialise(process.argv[2]);
} catch (error) {
  const { code, message } = toPublicError(error);
  process.stderr.write(`${code}: ${message}\n`);
  process.exitCode = KeymeshError.is(error) && ['CONFIG_INVALID', 'USAGE'].includes(error.code) ? 2 : 1;
}
