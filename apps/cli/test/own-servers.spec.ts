import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { startNatsServer, startTestPostgres, type TestNatsServer, type TestPostgres } from '@keymesh/testing';
import { makeTestHome } from './support/launched-mesh.js';

// KEYMESH_NATS_URL and KEYMESH_DATABASE_URL: servers of the user's own, prepared as docs/operations/run.md says.

describe('a mesh on servers of your own', () => {
  const mesh = makeTestHome();
  let postgres: TestPostgres | undefined;
  let nats: TestNatsServer | undefined;
  afterAll(async () => {
    await mesh.remove();
    await nats?.stop();
    await postgres?.stop();
  }, 60_000);

  it('is told what the NATS server lacks, then runs on both and starts no server', async () => {
    postgres = await startTestPostgres();
    nats = await startNatsServer();
    const env = {
      KEYMESH_NATS_URL: nats.url,
      KEYMESH_DATABASE_URL: postgres.adminUrl,
      KEYMESH_DATABASE_PASSWORD_FILE: postgres.passwordFile,
    };
    const refused = mesh.launch(env);
    expect(await refused.ended()).toBe(1);
    expect(refused.output()).toContain('keymesh nats-config');
    await nats.stop();

    const accounts = readFileSync(join(mesh.home, 'nats', 'accounts.conf'), 'utf8');
    nats = await startNatsServer({
      config: ({ port, jetstreamDir }) => `
        listen: "127.0.0.1:${port}"
        jetstream { store_dir: ${JSON.stringify(jetstreamDir)}, sync_interval: always, max_file_store: 34359738368 }
        ${accounts}`,
    });
    const launched = mesh.launch({ ...env, KEYMESH_NATS_URL: nats.url });
    await launched.ready();
    const { services } = await mesh.status();
    expect(services).toMatchObject({
      nats: { state: 'external' },
      postgres: { state: 'external' },
      vault: { state: 'ready' },
    });
    expect(mesh.facts().natsUrl).toBe(nats.url);
    expect(existsSync(join(mesh.home, 'postgres'))).toBe(false);
    launched.child.kill('SIGTERM');
    expect(await launched.ended()).toBe(0);
    expect(existsSync(`/proc/${String(nats.pid())}`)).toBe(true);
  }, 180_000);
});
