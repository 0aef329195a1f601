import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  makeAcceptor,
  makeChannelKeyPair,
  openSession,
  readChannelKey,
  sealWithStateKey,
  signChannelKey,
  type ChannelKeyStatement,
} from '@keymesh/channel';
import { HOUR, makeSigningKey, MINUTE, Secret, utf8 } from '@keymesh/kernel';
import {
  channelKeyHandoverMigration,
  channelKeyMigration,
  makeChannelKeyHandovers,
  makeChannelKeyStore,
  makeDataSource,
  migrateSchema,
  withClient,
} from '@keymesh/postgres';
import {
  eventually,
  holds,
  makeTestClock,
  startTestPostgres,
  steal,
  takeFiles,
  type Recorded,
  type TestPostgres,
} from '@keymesh/testing';
import type { DataSource } from 'typeorm';
import { openChannelKeyFolder } from '../src/channel/channel-key-folder.js';
import { certifiedChannelKeys } from '../src/channel/certified-channel-keys.js';
import { makeLogger } from '../src/telemetry/logger.js';

// Somebody records the wire today and gets the vault's disk tomorrow: every byte of the database's files and of its log, the state key, and the folder of
// channel keys. What was recorded does not open any more, because the private keys that it was sent to are destroyed at their end. The very same tool opens it a day
// earlier, and still opens what an earlier release kept in the database.
jest.setTimeout(180_000);

class ChannelKey1795305600002 {
  readonly name = 'ChannelKey1795305600002';
  async up(runner: { query(sql: string): Promise<unknown> }): Promise<void> {
    await runner.query(channelKeyMigration('vault'));
    await runner.query(channelKeyHandoverMigration('vault'));
  }
  down = (): Promise<void> => Promise.reject(new Error('forward only'));
}

const BINDING = { subject: 'keymesh.v1.rpc.billing.vault.credential.retrieve', requestId: 'r1' };
const mesh = makeSigningKey().key;
const client = makeSigningKey().key;
const stateKey = new Secret(Uint8Array.from(randomBytes(32)), 'state-key');
const clock = makeTestClock();

let postgres: TestPostgres;
let dataSource: DataSource;
let folders: string;

beforeAll(async () => {
  folders = await mkdtemp(join(tmpdir(), 'keymesh-recorded-'));
  postgres = await startTestPostgres();
  const { password } = postgres;
  const role = postgres.roleOf('vault');
  await migrateSchema({
    url: postgres.deployUrl,
    password,
    schema: 'vault',
    role,
    migrations: [ChannelKey1795305600002],
  });
  dataSource = makeDataSource({
    url: postgres.urlOf('vault'),
    password,
    schema: 'vault',
    applicationName: 'spec',
  });
  await dataSource.initialize();
});
afterAll(async () => {
  await dataSource.destroy();
  await postgres.stop();
  await rm(folders, { recursive: true });
});

const certify = (publicKey: string): Promise<string> => {
  const notBefore = clock.now();
  return Promise.resolve(
    signChannelKey({ service: 'vault', publicKey, notBefore, notAfter: notBefore + 24 * HOUR }, mesh),
  );
};
const startKeys = (machine: string): ReturnType<typeof certifiedChannelKeys> => {
  const keys = certifiedChannelKeys({
    service: 'vault',
    meshPublicKey: mesh.publicKeyText,
    stateKey,
    store: makeChannelKeyStore(dataSource),
    folder: openChannelKeyFolder(join(folders, machine)),
    handovers: makeChannelKeyHandovers(dataSource),
    certify,
    clock,
    logger: makeLogger({ service: 'vault', instance: machine, level: 'silent' }),
  });
  void keys.start();
  return keys;
};

const newestOf = (
  keys: Pick<ReturnType<typeof startKeys>, 'currentStatements'>,
): Promise<ChannelKeyStatement> =>
  eventually(() => {
    const [text = ''] = keys.currentStatements();
    const read = readChannelKey(text, mesh.publicKeyText, 'vault', clock.now());
    if (read === undefined) throw new Error('no key yet');
    return read;
  });

/** One request, as it crosses the wire. */
async function converse(keys: ReturnType<typeof startKeys>): Promise<Recorded> {
  const statement = await newestOf(keys);
  const session = await openSession({ principal: 'billing', signingKey: client, service: statement, clock });
  const acceptor = makeAcceptor({
    service: 'vault',
    privateKey: (id) => keys.privateKey(id),
    isChannelKeyOf: () => true,
    clock,
  });
  const form = { deadlineMs: 1, partsHeader: '2' };
  const request = { ...form, ...session.encryptRequest({ ...BINDING, ...form, body: utf8('{}') }) };
  const service = await acceptor.accept(session.setupHeader);
  service.decryptRequest({ ...BINDING, ...request });
  return { ...BINDING, atMs: clock.now(), statement, setupHeader: session.setupHeader, request };
}

/** The database's folder, with its log, and what there is of keys, as they are on the disk now. */
async function takeDisk() {
  const { adminUrl: url, password } = postgres;
  const data = await withClient({ url, password, applicationName: 'spec' }, async (admin) => {
    await admin.query('CHECKPOINT');
    const { rows } = await admin.query<{ data_directory: string }>('SHOW data_directory');
    return rows[0]?.data_directory ?? '';
  });
  const [database, keys] = [await takeFiles(data), await takeFiles(folders)];
  return { database, everything: [...database, ...keys] };
}

const keyIdsInStore = async (): Promise<string[]> =>
  (await dataSource.query<{ key_id: string }[]>('SELECT key_id FROM channel_key')).map(
    ({ key_id }) => key_id,
  );

describe('what was recorded', () => {
  it('opens for whoever has the whole disk while the key lives, and for nobody after it was destroyed', async () => {
    const keys = startKeys('one');
    const recorded = await converse(keys);
    const living = await takeDisk();
    expect(await steal(recorded, living.everything, stateKey)).toBe('{}'); // the control: the thief's tool works
    expect(await steal(recorded, living.database, stateKey)).toBeUndefined(); // the database has not got it, even now

    clock.advance(13 * HOUR); // half its life is over: a new key, and both are there
    await eventually(async () => expect(await keyIdsInStore()).toHaveLength(2), { timeoutMs: 30_000 });
    expect(await steal(recorded, (await takeDisk()).everything, stateKey)).toBe('{}');

    clock.advance(11 * HOUR + MINUTE);
    const { keyId } = recorded.statement;
    await eventually(async () => expect(await keyIdsInStore()).not.toContain(keyId), { timeoutMs: 30_000 });
    const later = await takeDisk();
    expect(holds(later.database, keyId)).toBe(true); // what was deleted is still in the files, and it does not help
    expect(await steal(recorded, later.everything, stateKey)).toBeUndefined();

    // What is sent now is sent to the new key, and that one the thief has.
    expect(await steal(await converse(keys), later.everything, stateKey)).toBe('{}');
    await keys.stop();
  });

  it('does not open either when the key went from one machine to another through the database', async () => {
    const [one, two] = [startKeys('one'), startKeys('two')];
    const { keyId } = await newestOf(one);
    await eventually(() => expect(two.privateKey(keyId)).toBeDefined(), { timeoutMs: 30_000 });
    const recorded = await converse(two);
    const living = await takeDisk();
    expect(await steal(recorded, living.everything, stateKey)).toBe('{}');
    expect(await steal(recorded, living.database, stateKey)).toBeUndefined();
    clock.advance(25 * HOUR);
    // Each machine destroys its own.
    const kept = async () => (await readdir(folders, { recursive: true })).join();
    await eventually(async () => expect(await kept()).not.toContain(recorded.statement.keyId), {
      timeoutMs: 30_000,
    });
    await one.stop();
    await two.stop();
    expect(await steal(recorded, (await takeDisk()).everything, stateKey)).toBeUndefined();
  });

  it('under a key that an earlier release kept in the database still opens after its end: that is what this tool finds', async () => {
    const { publicKey, privateKey } = await makeChannelKeyPair();
    const statement = readChannelKey(await certify(publicKey), mesh.publicKeyText, 'vault', clock.now())!;
    const { keyId, text, notAfter } = statement;
    // EXPOSE: a spec's own key, sealed as that release did.
    const sealed = sealWithStateKey(stateKey, `channel-key/vault/${keyId}`, privateKey.expose());
    await dataSource.query(
      'INSERT INTO channel_key (key_id, statement, sealed_private_key, not_after) VALUES ($1, $2, $3, $4)',
      [keyId, text, Buffer.from(sealed), notAfter],
    );
    const keys = startKeys('three');
    await eventually(() => expect(keys.privateKey(keyId)).toBeDefined());
    const isTold = { ...keys, currentStatements: () => [text] };
    const recorded = await converse(isTold);
    clock.advance(25 * HOUR);
    await eventually(async () => expect(await keyIdsInStore()).not.toContain(keyId), { timeoutMs: 30_000 });
    await keys.stop();
    expect(await steal(recorded, (await takeDisk()).database, stateKey)).toBe('{}');
  });
});
