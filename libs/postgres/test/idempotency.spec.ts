import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestPostgres, type TestPostgres } from '@keymesh/testing';
import type { DataSource, MigrationInterface, QueryRunner } from 'typeorm';
import {
  channelKeyHandoverMigration,
  channelKeyMigration,
  idempotencyMigration,
  makeChannelKeyStore,
  makeDataSource,
  migrateSchema,
  once,
  pruneIdempotency,
  transact,
} from '../src/index.js';

class Tables1795305600001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(idempotencyMigration('vault'));
    await runner.query(channelKeyMigration('vault'));
    await runner.query(channelKeyHandoverMigration('vault'));
    await runner.query('CREATE TABLE effect (n int)');
  }
  down(): Promise<void> {
    return Promise.resolve();
  }
}

describe('tables of a service', () => {
  let postgres: TestPostgres;
  let dataSource: DataSource;

  beforeAll(async () => {
    postgres = await startTestPostgres();
    const { password } = postgres;
    await migrateSchema({
      url: postgres.deployUrl,
      password,
      schema: 'vault',
      role: postgres.roleOf('vault'),
      migrations: [Tables1795305600001],
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

  const effects = async (): Promise<number> =>
    Number((await dataSource.query<{ n: string }[]>('SELECT count(*) AS n FROM effect'))[0]?.n);
  const ask = (requestId: string, fail = false) =>
    transact(dataSource, (manager) =>
      once(manager, 'session', requestId, async () => {
        await manager.query('INSERT INTO effect VALUES (1)');
        if (fail) throw new Error('no');
        return { made: requestId };
      }),
    );

  it('once: ten of the same request at once have one effect and one reply', async () => {
    const before = await effects();
    const replies = await Promise.all(Array.from({ length: 10 }, () => ask('same')));
    expect(replies.filter(({ repeated }) => !repeated)).toHaveLength(1);
    expect(new Set(replies.map(({ reply }) => reply.made))).toEqual(new Set(['same']));
    expect(await effects()).toBe(before + 1);
  });

  it('once: a failure leaves no trace and may be tried again', async () => {
    const before = await effects();
    await expect(ask('failing', true)).rejects.toThrow();
    expect(await ask('failing')).toEqual({ reply: { made: 'failing' }, repeated: false });
    expect(await effects()).toBe(before + 1);
  });

  it('once: forgets only what is older than it is told', async () => {
    await ask('kept');
    expect(await pruneIdempotency(dataSource.manager)).toBe(0);
    expect(await pruneIdempotency(dataSource.manager, -1)).toBeGreaterThan(0);
  });

  it('channel keys: keeps them newest first, repeats harmlessly, destroys what ended', async () => {
    const store = makeChannelKeyStore(dataSource);
    const key = (keyId: string, notAfter: number) => ({ keyId, statement: 's', notAfter });
    const kept = (keyId: string, notAfter: number) => ({ ...key(keyId, notAfter), sealedPrivateKey: null });
    await store.save(key('old', 1_000));
    await store.save(key('new', Date.UTC(2100, 0)));
    await store.save(key('new', 5));
    expect(await store.list()).toEqual([kept('new', Date.UTC(2100, 0)), kept('old', 1_000)]);
    expect(await store.destroyEndedBefore(1_001)).toBe(1);
    expect((await store.list()).map(({ keyId }) => keyId)).toEqual(['new']);
  });
});
