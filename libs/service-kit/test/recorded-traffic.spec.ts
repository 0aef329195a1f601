import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  importChannelKey,
  makeAcceptor,
  openSession,
  openWithStateKey,
  readChannelKey,
  signChannelKey,
} from '@keymesh/channel';
import { fromUtf8, HOUR, makeSigningKey, MINUTE, Secret, utf8, type Clock } from '@keymesh/kernel';
import { channelKeyMigration, makeChannelKeyStore, makeDataSource, migrateSchema } from '@keymesh/postgres';
import { eventually, makeTestClock, startTestPostgres, type TestPostgres } from '@keymesh/testing';
import { randomBytes } from 'node:crypto';
import type { DataSource } from 'typeorm';
import { certifiedChannelKeys } from '../src/channel/certified-channel-keys.js';
import { makeLogger } from '../src/telemetry/logger.js';

// Somebody records the wire today and gets the vault's disk tomorrow: its tables, and its state key. What was recorded does not open any more, because the
// private keys that it was sent to are destroyed at their end. The very same tool, a day earlier, opens it.
jest.setTimeout(120_000);

class ChannelKey1795305600002 {
  readonly name = 'ChannelKey1795305600002';
  async up(runner: { query(sql: string): Promise<unknown> }): Promise<void> {
    await runner.query(channelKeyMigration('vault'));
  }
  down = (): Promise<void> => Promise.reject(new Error('forward only'));
}

const VALUE = `Rt1-${randomBytes(16).toString('hex')}`;
const BINDING = { subject: 'keymesh.v1.rpc.billing.vault.credential.retrieve', requestId: 'r1' };
const mesh = makeSigningKey().key;
const client = makeSigningKey().key;
const stateKey = new Secret(Uint8Array.from(randomBytes(32)), 'state-key');
const clock = makeTestClock();

interface Recorded {
  readonly atMs: number;
  readonly setupHeader: string;
  readonly request: { readonly sequence: number; readonly body: Uint8Array };
  readonly reply: { readonly replyHeader: string; readonly body: Uint8Array };
}

let postgres: TestPostgres;
let dataSource: DataSource;

beforeAll(async () => {
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
});

const startKeys = (): ReturnType<typeof certifiedChannelKeys> => {
  const keys = certifiedChannelKeys({
    service: 'vault',
    meshPublicKey: mesh.publicKeyText,
    stateKey,
    store: makeChannelKeyStore(dataSource),
    certify: (publicKey) => {
      const notBefore = clock.now();
      return Promise.resolve(
        signChannelKey({ service: 'vault', publicKey, notBefore, notAfter: notBefore + 24 * HOUR }, mesh),
      );
    },
    clock,
    logger: makeLogger({ service: 'vault', instance: 'i', level: 'silent' }),
  });
  void keys.start();
  return keys;
};
const isChannelKeyOf = (): boolean => true;

/** One request and its answer, as they cross the wire. */
async function converse(keys: ReturnType<typeof certifiedChannelKeys>): Promise<Recorded> {
  const statement = await eventually(() => {
    const [text = ''] = keys.currentStatements();
    const read = readChannelKey(text, mesh.publicKeyText, 'vault', clock.now());
    if (read === undefined) throw new Error('no key yet');
    return read;
  });
  const session = await openSession({ principal: 'billing', signingKey: client, service: statement, clock });
  const acceptor = makeAcceptor({
    service: 'vault',
    privateKey: (id) => keys.privateKey(id),
    isChannelKeyOf,
    clock,
  });
  const request = session.encryptRequest({ ...BINDING, deadlineMs: 1, partsHeader: '2', body: utf8('{}') });
  const service = await acceptor.accept(session.setupHeader);
  service.decryptRequest({ ...BINDING, deadlineMs: 1, partsHeader: '2', ...request });
  const reply = service.encryptReply({ ...BINDING, partsHeader: String(VALUE.length), body: utf8(VALUE) });
  return { atMs: clock.now(), setupHeader: session.setupHeader, request, reply };
}

/** The thief: every key of the table that the state key opens, tried with the clock of that day. @returns what the request's session is, if it opens. */
async function steal({ atMs, setupHeader, request }: Recorded): Promise<string | undefined> {
  const thatDay: Clock = { now: () => atMs, monotonic: () => 0 };
  const rows = await dataSource.query<{ statement: string; key_id: string; sealed_private_key: Buffer }[]>(
    'SELECT statement, key_id, sealed_private_key FROM channel_key',
  );
  for (const { statement: text, key_id: keyId, sealed_private_key: sealed } of rows) {
    const statement = readChannelKey(text, mesh.publicKeyText, 'vault', atMs);
    if (statement === undefined) continue;
    using raw = new Secret(openWithStateKey(stateKey, `channel-key/vault/${keyId}`, sealed), 'stolen');
    const key = await importChannelKey(statement, raw);
    const privateKey = (id: string) => (id === keyId ? key : undefined);
    const acceptor = makeAcceptor({ service: 'vault', privateKey, isChannelKeyOf, clock: thatDay });
    const session = await acceptor.accept(setupHeader).catch(() => undefined);
    if (session === undefined) continue;
    return fromUtf8(session.decryptRequest({ ...BINDING, deadlineMs: 1, partsHeader: '2', ...request }));
  }
  return undefined;
}

describe('what was recorded', () => {
  it('opens for whoever has the disk while the key lives, and for nobody after it was destroyed', async () => {
    const keys = startKeys();
    const recorded = await converse(keys);
    expect(await steal(recorded)).toBe('{}'); // the control: the thief's tool works

    clock.advance(13 * HOUR); // half its life is over: a new key, and both are there
    const before = await rowsOf();
    await eventually(async () => expect((await rowsOf()).length).toBe(before.length + 1), {
      timeoutMs: 30_000,
    });
    expect(await steal(recorded)).toBe('{}');

    clock.advance(11 * HOUR + MINUTE);
    await eventually(async () => expect(await rowsOf()).not.toEqual(expect.arrayContaining(before)), {
      timeoutMs: 30_000,
    });
    expect(await rowsOf()).not.toEqual([]);
    expect(await steal(recorded)).toBeUndefined();

    // What is sent now is sent to the new key, and that one the thief has.
    const later = await converse(keys);
    expect(await steal(later)).toBe('{}');
    await keys.stop();
  });
});

const rowsOf = async (): Promise<string[]> =>
  (await dataSource.query<{ key_id: string }[]>('SELECT key_id FROM channel_key')).map(
    ({ key_id }) => key_id,
  );
