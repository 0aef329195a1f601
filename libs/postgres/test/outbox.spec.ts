import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '@keymesh/kernel';
import { eventually, startTestPostgres, type TestPostgres } from '@keymesh/testing';
import type { DataSource, MigrationInterface, QueryRunner } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import {
  insertOutbox,
  makeDataSource,
  makeOutboxRelay,
  migrateSchema,
  outboxMigration,
  transact,
  type OutboxEntry,
  type OutboxRelay,
} from '../src/index.js';

class Outbox1795305600001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(outboxMigration('vault'));
  }
  down(): Promise<void> {
    return Promise.resolve();
  }
}

const entry = (text: string): OutboxEntry => ({
  kind: 'event',
  id: uuidv7(),
  subject: 'keymesh.v1.evt.vault.version.promoted',
  payload: Buffer.from(text),
});

/** A bus that remembers what it got, in order, and fails as told. */
const makeBus = () => {
  const received: OutboxEntry[] = [];
  const bus = {
    received,
    ids: () => new Set(received.map(({ id }) => id)),
    before: (_: OutboxEntry): Promise<void> => Promise.resolve(),
    publish: async (message: OutboxEntry): Promise<void> => {
      await bus.before(message);
      received.push(message);
    },
  };
  return bus;
};

describe('the outbox', () => {
  let postgres: TestPostgres;
  let dataSource: DataSource;
  const relays: OutboxRelay[] = [];
  const connect = async (name = 'keymesh-vault'): Promise<DataSource> =>
    makeDataSource({
      url: postgres.urlOf('vault'),
      passwordFile: postgres.passwordFile,
      schema: 'vault',
      applicationName: name,
    }).initialize();
  const makeRelay = (bus: ReturnType<typeof makeBus>, source = dataSource, batchSize = 16): OutboxRelay => {
    const relay = makeOutboxRelay({
      dataSource: source,
      publish: bus.publish,
      clock: systemClock,
      batchSize,
    });
    relays.push(relay);
    return relay;
  };
  const unpublished = async (): Promise<number> => {
    const rows = await dataSource.query<{ n: string }[]>(
      'SELECT count(*) AS n FROM outbox WHERE published_at IS NULL',
    );
    return Number(rows[0]?.n);
  };
  const commit = (...entries: OutboxEntry[]) =>
    transact(dataSource, async (manager) => {
      for (const one of entries) await insertOutbox(manager, one);
    });

  beforeAll(async () => {
    postgres = await startTestPostgres();
    await migrateSchema({
      url: postgres.deployUrl,
      password: postgres.password,
      schema: 'vault',
      role: postgres.roleOf('vault'),
      migrations: [Outbox1795305600001],
    });
  });
  beforeEach(async () => {
    dataSource = await connect();
    await dataSource.query('DELETE FROM outbox');
  });
  afterEach(async () => {
    await Promise.all(relays.splice(0).map((relay) => relay.stop()));
    await dataSource.destroy();
  });
  afterAll(() => postgres.stop());

  it('publishes what was committed, with its exact bytes and what stands beside, and nothing that was rolled back', async () => {
    const bus = makeBus();
    const kept = {
      ...entry('kept'),
      kind: 'journal' as const,
      payload: Buffer.from([0, 255, 10]),
      beside: { name: 'a "b"' },
    };
    await commit(kept);
    await transact(dataSource, async (manager) => {
      await insertOutbox(manager, entry('rolled back'));
      throw new Error('no');
    }).catch(() => undefined);
    await makeRelay(bus).drain();
    expect(bus.received).toEqual([kept]);
    expect(await unpublished()).toBe(0);
  });

  it('publishes soon after a poke, and without one within about a second', async () => {
    const bus = makeBus();
    const relay = makeRelay(bus);
    relay.start();
    const unpoked = entry('unpoked');
    await commit(unpoked);
    await eventually(() => expect(bus.ids()).toEqual(new Set([unpoked.id])));
    const poked = entry('poked');
    await commit(poked);
    const since = performance.now();
    relay.poke();
    await eventually(() => expect(bus.ids().has(poked.id)).toBe(true));
    expect(performance.now() - since).toBeLessThan(500);
  });

  it('finds an entry whose transaction took a lower seq and committed later', async () => {
    const bus = makeBus();
    const relay = makeRelay(bus);
    const late = entry('late');
    const early = entry('early');
    const runner = dataSource.createQueryRunner();
    await runner.startTransaction();
    await insertOutbox(runner.manager, late);
    await commit(early);
    await relay.drain();
    expect(bus.ids()).toEqual(new Set([early.id]));
    await runner.commitTransaction();
    await runner.release();
    await relay.drain();
    expect(bus.ids()).toEqual(new Set([early.id, late.id]));
  });

  it('publishes what can be published when one entry fails, and that one later', async () => {
    const bus = makeBus();
    const [good, bad] = [entry('good'), entry('bad')];
    let refuse = true;
    bus.before = ({ id }) =>
      refuse && id === bad.id ? Promise.reject(new Error('full')) : Promise.resolve();
    await commit(bad, good);
    const relay = makeRelay(bus);
    await expect(relay.drain()).rejects.toThrow('full');
    expect(bus.received.map(({ id }) => id)).toEqual([good.id]);
    expect(await unpublished()).toBe(1);
    refuse = false;
    await relay.drain();
    expect(bus.received.map(({ id }) => id)).toEqual([good.id, bad.id]);
  });

  it('gives each entry to one of two relays only, while both live', async () => {
    const other = await connect();
    const bus = makeBus();
    const entries = Array.from({ length: 200 }, (_, at) => entry(String(at)));
    await commit(...entries);
    await Promise.all([makeRelay(bus).drain(), makeRelay(bus, other).drain(), makeRelay(bus, other).drain()]);
    await makeRelay(bus).drain();
    expect(bus.received).toHaveLength(200);
    expect(bus.ids().size).toBe(200);
    await other.destroy();
  });

  it('loses nothing, and duplicates nothing by id, when a relay dies between publishing and marking', async () => {
    const bus = makeBus();
    const entries = Array.from({ length: 40 }, (_, at) => entry(String(at)));
    await commit(...entries);
    const doomed = await connect('keymesh-doomed');
    const relay = makeRelay(bus, doomed);
    bus.before = async () => {
      bus.before = () => Promise.resolve();
      await dataSource.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'keymesh-doomed'",
      );
    };
    // What a kill -9 of the relay's process looks like from Postgres: its connections are gone, its transaction rolled back.
    // Superuser rights are not needed to end a backend of one's own role.
    await expect(relay.drain()).rejects.toThrow();
    expect(bus.received.length).toBeGreaterThan(0);
    expect(await unpublished()).toBe(40);
    await makeRelay(bus).drain();
    expect(bus.ids()).toEqual(new Set(entries.map(({ id }) => id)));
    expect(await unpublished()).toBe(0);
    await doomed.destroy();
  });

  it('comes back by itself after kill -9 of Postgres, with every acknowledged commit', async () => {
    const bus = makeBus();
    const relay = makeRelay(bus);
    relay.start();
    const acknowledged = new Set<string>();
    const traffic = { on: true };
    const writer = (async () => {
      while (traffic.on) {
        const one = entry('w');
        await commit(one).then(
          () => {
            acknowledged.add(one.id);
            relay.poke();
          },
          () => new Promise((resolve) => setTimeout(resolve, 20)),
        );
      }
    })();
    await eventually(() => expect(acknowledged.size).toBeGreaterThan(20));
    await postgres.kill();
    await postgres.restart();
    const before = acknowledged.size;
    await eventually(() => expect(acknowledged.size).toBeGreaterThan(before + 20));
    traffic.on = false;
    await writer;
    await eventually(async () => expect(await unpublished()).toBe(0), { timeoutMs: 15_000 });
    expect([...acknowledged].filter((id) => !bus.ids().has(id))).toEqual([]);
  });
});
