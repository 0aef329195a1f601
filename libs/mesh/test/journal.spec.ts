import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { STREAMS } from '@keymesh/contracts';
import { reconcileStreams, type MeshConnection, type PackOutcome } from '../src/index.js';
import { eventually, expectCode, startTestMesh, type TestMesh } from '@keymesh/testing';
import { jetstreamManager } from '@nats-io/jetstream';
import { makeRecord, readJournal, startJournal } from './journal-fixture.js';
import { callerOf, echoSecret, serveVault } from './rpc-fixture.js';

let mesh: TestMesh;
let vault: MeshConnection;
let audit: MeshConnection;

beforeEach(async () => {
  mesh = await startTestMesh();
  vault = await mesh.connectAs('vault');
  audit = await mesh.connectAs('audit');
});
afterEach(() => mesh.stop());

const setLimits = async (limits: { max_msgs?: number; max_bytes?: number }): Promise<void> => {
  const { nats } = await mesh.connectAs('deploy');
  const manager = await jetstreamManager(nats, { checkAPI: false });
  await manager.streams.update('JOURNAL', limits);
};

describe('the journal', () => {
  it('carries a hundred concurrent records in a few packs, each resolved only once it is stored', async () => {
    const packs: PackOutcome[] = [];
    const journal = startJournal(mesh, vault, { onPack: (pack) => void packs.push(pack) });
    const records = Array.from({ length: 100 }, (_, index) => makeRecord({ index }));
    await Promise.all(records.map((record) => journal.record(record, { name: 'x' })));
    expect(packs.reduce((sum, pack) => sum + pack.records, 0)).toBe(100);
    expect(packs.length).toBeLessThanOrEqual(3);
    await journal.close();

    const reader = readJournal(mesh, audit);
    await eventually(() => expect(reader.packs.at(-1)?.header.final).toBe(true));
    expect(reader.ids).toEqual(records.map(({ id }) => id));
    expect(reader.packs[0]?.records[0]?.beside).toEqual({ name: 'x' });
    expect(reader.problems).toEqual([]);
    await reader.stop();
  });

  it('splits what is too much for one message', async () => {
    const packs: PackOutcome[] = [];
    const journal = startJournal(mesh, vault, { onPack: (pack) => void packs.push(pack) });
    const big = 'x'.repeat(50_000);
    const records = Array.from({ length: 40 }, () => makeRecord({ big }));
    await Promise.all(records.map((record) => journal.record(record)));
    expect(packs.length).toBeGreaterThanOrEqual(3); // 2 MB in packs of at most 800 KiB
    await journal.close();
  });

  it('says that it lives when it has nothing to say', async () => {
    const journal = startJournal(mesh, vault, { heartbeatMs: 100 });
    const reader = readJournal(mesh, audit);
    await eventually(() =>
      expect(reader.packs.filter(({ header }) => header.count === 0).length).toBeGreaterThanOrEqual(3),
    );
    await journal.close();
    await eventually(() => expect(reader.packs.at(-1)?.header.final).toBe(true));
    expect(reader.problems).toEqual([]);
    await reader.stop();
  });

  it('refuses at once while the stream is full, other operations go on, and it comes back by itself', async () => {
    const journal = startJournal(mesh, vault, { heartbeatMs: 60_000 });
    await journal.record(makeRecord());
    const instance = await serveVault(mesh, {
      handler: async ({ text }) => {
        if (text === 'reveal') await journal.record(makeRecord());
        return { text };
      },
    });
    const caller = await callerOf(mesh, mesh.addPrincipal('billing'));
    await setLimits({ max_msgs: 1 });

    const startedAt = performance.now();
    await Promise.all(
      Array.from({ length: 50 }, () =>
        expectCode(caller.call(echoSecret, { text: 'reveal' }), 'AUDIT_UNAVAILABLE'),
      ),
    );
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect((await caller.call(echoSecret, { text: 'other' })).text).toBe('other');

    await setLimits({ max_msgs: -1 });
    expect((await caller.call(echoSecret, { text: 'reveal' })).text).toBe('reveal');
    await journal.close();
    const reader = readJournal(mesh, audit);
    await eventually(() => expect(reader.packs.at(-1)?.header.final).toBe(true));
    expect(reader.ids).toHaveLength(2);
    expect(reader.problems).toEqual([]); // a refused pack leaves no gap
    await reader.stop();
    await instance.stop();
  });

  it('refuses when the server is away longer than a record may wait, and comes back by itself', async () => {
    const journal = startJournal(mesh, vault, { ackTimeoutMs: 300 });
    await journal.record(makeRecord());
    await mesh.server.kill();
    const late = journal.record(makeRecord(), undefined, { deadlineAt: performance.now() + 400 });
    await expectCode(late, 'AUDIT_UNAVAILABLE');
    await mesh.server.restart();
    await eventually(() => journal.record(makeRecord()), { timeoutMs: 10_000 });
    await journal.close();
    const reader = readJournal(mesh, audit);
    await eventually(() => expect(reader.packs.at(-1)?.header.final).toBe(true), { timeoutMs: 10_000 });
    expect(reader.problems).toEqual([]);
    await reader.stop();
  });

  it('loses no acknowledged record, and no link of its chain, when the server is killed again and again', async () => {
    const journal = startJournal(mesh, vault, { ackTimeoutMs: 500, heartbeatMs: 200 });
    const reader = readJournal(mesh, audit);
    const acknowledged: string[] = [];
    let isOver = false;
    const writers = Array.from({ length: 20 }, async () => {
      while (!isOver) {
        const record = makeRecord();
        try {
          await journal.record(record);
          acknowledged.push(record.id);
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    });
    for (let kill = 0; kill < 4; kill += 1) {
      const before = acknowledged.length;
      await eventually(() => expect(acknowledged.length).toBeGreaterThan(before + 50), { timeoutMs: 10_000 });
      await mesh.server.kill();
      await mesh.server.restart();
    }
    const before = acknowledged.length;
    await eventually(() => expect(acknowledged.length).toBeGreaterThan(before + 50), { timeoutMs: 10_000 });
    isOver = true;
    await Promise.all(writers);
    await journal.close();
    await eventually(() => expect(reader.packs.at(-1)?.header.final).toBe(true), { timeoutMs: 15_000 });
    expect(reader.problems).toEqual([]);
    const stored = new Set(reader.ids);
    expect(stored.size).toBe(reader.ids.length);
    expect(acknowledged.filter((id) => !stored.has(id))).toEqual([]);
    await reader.stop();
  });

  it('refuses everything once it is closed, and when too much waits', async () => {
    const journal = startJournal(mesh, vault, { maxQueuedRecords: 10 });
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => journal.record(makeRecord())));
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(10);
    await journal.close();
    await journal.close();
    await expectCode(journal.record(makeRecord()), 'AUDIT_UNAVAILABLE');
  });
});

describe('reconcileStreams', () => {
  it('makes what contracts declare, changes nothing the second time, and puts a changed stream right', async () => {
    const deploy = await mesh.connectAs('deploy');
    const manager = await jetstreamManager(deploy.nats, { checkAPI: false });
    await reconcileStreams(deploy);
    await setLimits({ max_msgs: 5 });
    await manager.streams.update('AUDIT', { max_age: 60_000_000_000, duplicate_window: 1_000_000_000 });
    await reconcileStreams(deploy);
    for (const { name, maxAgeNs, maxBytes, discard } of STREAMS) {
      const { config } = await manager.streams.info(name);
      expect(config).toMatchObject({
        max_age: maxAgeNs,
        max_bytes: maxBytes,
        discard,
        deny_delete: true,
        deny_purge: true,
      });
    }
    expect((await manager.streams.info('JOURNAL')).config.max_msgs).toBe(-1);
    expect((await manager.consumers.info('JOURNAL', 'ledger')).config.max_deliver).toBe(-1);
  });

  it('is refused to a service', async () => {
    await expectCode(reconcileStreams(vault), 'UNAVAILABLE');
  });
});
