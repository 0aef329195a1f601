import { readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, it } from '@jest/globals';
import { startNatsServer, startTestPostgres, type TestNatsServer, type TestPostgres } from '@keymesh/testing';

// What the containers' one-shot jobs run (docker-compose.yml, docs/operations/kubernetes.md), here against real servers.

const run = promisify(execFile);
const program = join(import.meta.dirname, '../dist/launcher/initialise.js');
const folder = await mkdtemp(join(tmpdir(), 'keymesh-initialise-'));
const home = join(folder, 'home');
let nats: TestNatsServer | undefined;
let postgres: TestPostgres | undefined;

afterAll(async () => {
  await nats?.stop();
  await postgres?.stop();
  await rm(folder, { recursive: true, force: true });
});

it('makes keys, then database and streams, and lays out what each service may have; all of it twice', async () => {
  const initialise = (part: string, env: NodeJS.ProcessEnv = {}) =>
    run(process.execPath, [program, part], { env: { PATH: process.env.PATH, KEYMESH_HOME: home, ...env } });
  await initialise('keys');
  const refused = (await initialise('mesh').catch((error: unknown) => error)) as {
    code: number;
    stderr: string;
  };
  expect(refused).toMatchObject({ code: 2 });
  expect(refused.stderr).toContain('KEYMESH_NATS_URL');

  postgres = await startTestPostgres();
  const accounts = readFileSync(join(home, 'nats', 'accounts.conf'), 'utf8');
  nats = await startNatsServer({
    config: ({ port, jetstreamDir }) => `
      listen: "127.0.0.1:${port}"
      jetstream { store_dir: ${JSON.stringify(jetstreamDir)}, sync_interval: always, max_file_store: 34359738368 }
      ${accounts}`,
  });
  const env = {
    KEYMESH_NATS_URL: nats.url,
    KEYMESH_DATABASE_URL: postgres.adminUrl,
    KEYMESH_DATABASE_PASSWORD_FILE: postgres.passwordFile,
  };
  await initialise('mesh', env);
  const second = await initialise('mesh', env);
  expect(second.stdout).not.toContain('made mesh');

  const filesOf = (service: string): string[] => readdirSync(join(home, 'services', service)).sort();
  const common = ['database.password', 'nats.seed', 'signing.seed', 'state.key', 'trust.json'];
  expect(filesOf('rotation')).toEqual(common);
  expect(filesOf('vault')).toEqual([...common, 'backup.password', 'master.key'].sort());
  expect(filesOf('policy')).toEqual(
    [...common, 'bundle.seed', 'callout-issuer.seed', 'callout-xkey.seed', 'genesis.json', 'sys.seed'].sort(),
  );
  expect(filesOf('audit')).toEqual([...common, 'checkpoint.seed'].sort());
  expect(statSync(join(home, 'services/vault/master.key')).mode & 0o077).toBe(0);
}, 120_000);
