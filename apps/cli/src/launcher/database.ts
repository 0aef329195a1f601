import { rmSync } from 'node:fs';
import { z } from 'zod';
import { failure, type TrustRoot } from '@keymesh/contracts';
import type { LauncherConfig } from './config.js';
import { readJson, writeWhole } from './files.js';
import { ensureGenesis, readTrust } from './genesis.js';
import type { Home } from './home.js';
import type { Identities } from './identities.js';
import { provisionRoles } from './postgres.js';
import { migrationEnvironment, serviceEnvironment } from './service-environment.js';
import { migrateAll, migrationsHash, programOf, runTask } from './task.js';
import { natsTlsOf } from './nats-tls.js';

const initReply = z.object({ meshPublicKey: z.string() });

export interface DatabaseStep {
  readonly config: LauncherConfig;
  readonly home: Home;
  readonly identities: Identities;
  /** Admin's URL. */
  readonly databaseUrl: string;
  readonly natsUrl: string;
  readonly httpPort: number;
  /** Whether the server is ours and its cluster is not new: then nobody else can have changed it. */
  readonly unchanged: boolean;
  readonly say: (text: string) => void;
}

/**
 * Brings the database to where the services can start: roles, schemas, the mesh key, and on its ground trust.json and genesis.json.
 * Skipped as a whole when the marker says that this was done with the same migrations. Every step may be repeated.
 */
export async function prepareDatabase(step: DatabaseStep): Promise<TrustRoot> {
  const { config, home, identities, say } = step;
  const migrations = migrationsHash(config);
  const trust = readTrust(home);
  const marker = readJson(home.marker) as { migrations: string } | undefined;
  if (step.unchanged && trust !== undefined && marker?.migrations === migrations) return trust;
  rmSync(home.marker, { force: true });
  await provisionRoles(home, adminOf(step));
  await migrateAll(config, migrationEnvironment(config, home, step.databaseUrl));
  say('database is up to date');
  const made = ensureGenesis(home, identities, await meshPublicKey(step), {
    natsUrl: step.natsUrl,
    tls: natsTlsOf(config),
  });
  if (trust === undefined) say(`made mesh ${made.meshId} and its first operator`);
  writeWhole(home.marker, `${JSON.stringify({ v: 1, migrations })}\n`);
  return made;
}

const adminOf = ({ config, home, databaseUrl }: DatabaseStep) => {
  if (config.database === undefined) {
    return { url: databaseUrl, passwordFile: home.secret('postgres', 'superuser.password') };
  }
  const { passwordFile } = config.database;
  return { url: databaseUrl, ...(passwordFile === undefined ? {} : { passwordFile }) };
};

/** The vault makes the mesh key under the KMS, or finds it, and tells its public half. */
async function meshPublicKey({
  config,
  home,
  databaseUrl,
  natsUrl,
  httpPort,
}: DatabaseStep): Promise<string> {
  const env = {
    ...serviceEnvironment('vault', config, home, { natsUrl, databaseUrl, httpPort, meshId: '' }),
    OTEL_SDK_DISABLED: 'true',
  };
  const output = await runTask(programOf(config, 'vault', 'init'), env, 'Making the mesh key');
  const line = output.trim().split('\n').at(-1) ?? '';
  const reply = initReply.safeParse(parse(line));
  if (!reply.success) throw failure('INTERNAL', { details: { problem: 'the vault told no mesh key' } });
  return reply.data.meshPublicKey;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
