import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { signChannelKey } from '@keymesh/channel';
import { HOUR, Secret, signingKeyOf } from '@keymesh/kernel';
import {
  channelKeyHandoverMigration,
  channelKeyMigration,
  makeChannelKeyHandovers,
  makeChannelKeyStore,
  makeDataSource,
  migrateSchema,
} from '@keymesh/postgres';
import { eventually, makeTestClock, startTestPostgres, type TestPostgres } from '@keymesh/testing';
import type { DataSource } from 'typeorm';
import { openChannelKeyFolder } from '../src/channel/channel-key-folder.js';
import { certifiedChannelKeys } from '../src/channel/certified-channel-keys.js';
import { makeLogger } from '../src/telemetry/logger.js';
import { startProgram } from './support/start-program.js';

// A process destroys a key that has ended and makes a new one, and is killed with SIGKILL before each single step of it. Whatever is left: the living key is not lost,
// the ended one is gone after the next start, and nobody is told of a key that cannot be opened.
jest.setTimeout(240_000);
const MOST_STEPS = 60;

class ChannelKey1795305600002 {
  readonly name = 'ChannelKey1795305600002';
  async up(runner: { query(sql: string): Promise<unknown> }): Promise<void> {
    await runner.query(channelKeyMigration('vault'));
    await runner.query(channelKeyHandoverMigration('vault'));
  }
  down = (): Promise<void> => Promise.reject(new Error('forward only'));
}

const seed = Uint8Array.from(randomBytes(32));
const meshKey = signingKeyOf(new Secret(Uint8Array.from(seed), 'mesh-seed'));
const stateKey = Uint8Array.from(randomBytes(32));
let postgres: TestPostgres;
let dataSource: DataSource;
let home: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'keymesh-crashes-'));
  await writeFile(join(home, 'mesh.seed'), seed);
  await writeFile(join(home, 'state.key'), stateKey);
  postgres = await startTestPostgres();
  const { password, deployUrl: url } = postgres;
  const role = postgres.roleOf('vault');
  await migrateSchema({ url, password, schema: 'vault', role, migrations: [ChannelKey1795305600002] });
  dataSource = await makeDataSource({
    url: postgres.urlOf('vault'),
    password,
    schema: 'vault',
    applicationName: 'spec',
  }).initialize();
});
afterAll(async () => {
  await dataSource.destroy();
  await postgres.stop();
  await rm(home, { recursive: true });
});

const start = (folder: string, clock: ReturnType<typeof makeTestClock>) => {
  const provider = certifiedChannelKeys({
    service: 'vault',
    meshPublicKey: meshKey.publicKeyText,
    stateKey: new Secret(Uint8Array.from(stateKey), 'state-key'),
    store: makeChannelKeyStore(dataSource),
    folder: openChannelKeyFolder(folder),
    handovers: makeChannelKeyHandovers(dataSource),
    certify: (publicKey) => {
      const notBefore = clock.now();
      const fields = { service: 'vault', publicKey, notBefore, notAfter: notBefore + 24 * HOUR };
      return Promise.resolve(signChannelKey(fields, meshKey));
    },
    clock,
    logger: makeLogger({ service: 'vault', instance: 'i', level: 'silent' }),
  });
  void provider.start();
  return provider;
};
const keyIds = async (): Promise<string[]> =>
  (await dataSource.query<{ key_id: string }[]>('SELECT key_id FROM channel_key ORDER BY not_after')).map(
    ({ key_id }) => key_id,
  );
/** One start makes one key. */
async function makeOne(folder: string, clock: ReturnType<typeof makeTestClock>): Promise<void> {
  const before = (await keyIds()).length;
  const provider = start(folder, clock);
  await eventually(async () => expect(await keyIds()).toHaveLength(before + 1));
  await provider.stop();
}

describe('a process that is killed', () => {
  it('at any step of destroying a key and making another loses no living one and leaves no ended one', async () => {
    const killedBefore: string[] = [];
    for (let killAt = 1; killAt <= MOST_STEPS; killAt += 1) {
      const folder = join(home, `keys-${String(killAt)}`);
      const clock = makeTestClock();
      await dataSource.query('DELETE FROM channel_key');
      await makeOne(folder, clock);
      clock.advance(13 * HOUR);
      await makeOne(folder, clock);
      const [ended = '', living = ''] = await keyIds();
      clock.advance(13 * HOUR); // the first has ended, the second is past half its life

      const program = startProgram('channel-keys-main.ts', {
        DATABASE_URL: postgres.urlOf('vault'),
        PASSWORD_FILE: postgres.passwordFile,
        MESH_SEED_FILE: join(home, 'mesh.seed'),
        STATE_KEY_FILE: join(home, 'state.key'),
        FOLDER: folder,
        NOW_MS: String(clock.now()),
        KILL_BEFORE: String(killAt),
      });
      const code = await program.exit;
      const said = program.text();
      expect(said).toMatch(/killed before|done after/);

      const next = start(folder, clock);
      await eventually(() => expect(next.privateKey(living)).toBeDefined());
      const told = await eventually(
        async () => {
          const keys = await keyIds();
          expect(keys.length).toBeGreaterThan(1);
          expect(keys).not.toContain(ended);
          return keys;
        },
        { timeoutMs: 20_000 },
      );
      await eventually(() => {
        for (const keyId of told) expect(next.privateKey(keyId)).toBeDefined();
      });
      await next.stop();
      expect((await readdir(folder)).join()).not.toContain(ended);
      for (const file of await readdir(folder))
        if (file.endsWith('unfinished')) expect((await readFile(join(folder, file))).length).toBeLessThan(94);
      if (code === 0) break;
      killedBefore.push(/killed before (.*)/.exec(said)?.[1] ?? '');
    }
    // Each kind of step was there.
    expect(killedBefore).toEqual(
      expect.arrayContaining([
        'write',
        'sync',
        'unlink',
        'writeFile',
        'rename',
        'its row is there',
        'it is told',
      ]),
    );
    expect(killedBefore.length).toBeLessThan(MOST_STEPS);
  });
});
