import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HEADERS } from '@keymesh/contracts';
import { eventually, type ServiceProcess } from '@keymesh/testing';
import { makeRecords } from './records.js';
import { journalAll, startAuditMesh, type AuditMesh } from './support/audit-mesh.js';

const KILLS = process.env.SLOW === '1' ? 25 : 6;
const SEED = Number(process.env.SEED ?? '20261122');

let on: AuditMesh;
let service: ServiceProcess;

beforeAll(async () => {
  on = await startAuditMesh();
}, 90_000);

afterAll(async () => {
  await service.kill();
  await on.stop();
}, 30_000);

/** A small generator, so that a run can be repeated by its seed (mulberry32). */
function makeRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** @returns the ledger's event ids once all of these are among them. */
const allInLedger = (acknowledged: readonly string[]): Promise<string[]> =>
  eventually(
    async () => {
      const known = await on.eventIds();
      const present = new Set(known);
      expect(acknowledged.filter((id) => !present.has(id)).length).toBe(0);
      return known;
    },
    { timeoutMs: 60_000 },
  );

describe(`kill -9 of the audit service, ${String(KILLS)} times, seed ${String(SEED)}`, () => {
  it('every acknowledged record is in the ledger and on the feed exactly once, in order, and fsck finds nothing', async () => {
    const random = makeRandom(SEED);
    const vault = await on.journalOf('vault');
    const rotation = await on.journalOf('rotation');
    const acknowledged: string[] = [];
    const stopping = new AbortController();
    const traffic = (async () => {
      while (!stopping.signal.aborted) {
        const [a, b] = await Promise.all([
          journalAll(vault, makeRecords(1 + Math.floor(random() * 120))),
          journalAll(
            rotation,
            makeRecords(1 + Math.floor(random() * 10), { service: 'rotation', type: 'rotation.started' }),
          ),
        ]);
        acknowledged.push(...a, ...b);
        await pause(20);
      }
    })();
    for (let kill = 0; kill < KILLS; kill += 1) {
      service = await on.start();
      await pause(random() * 700);
      await service.kill('SIGKILL');
    }
    stopping.abort();
    await traffic;
    service = await on.start();
    const ids = await allInLedger(acknowledged);
    expect(acknowledged.length).toBeGreaterThan(500);
    expect(new Set(ids).size).toBe(ids.length);
    expect(await on.fsck()).toMatchObject({ ok: true, problems: [] });
    // Each kill ends one of the service's own chains; nothing else is wrong with the journal.
    const incidents = await on.sql<{ kind: string; service: string }>(
      'SELECT DISTINCT kind, service FROM incident',
    );
    expect(incidents.filter(({ kind, service: of }) => kind !== 'silent' || of !== 'audit')).toEqual([]);

    const size = (await on.fsck()).size;
    const feed = await on.readFeed(size);
    expect(feed.map(({ header }) => Number(header(HEADERS.logIndex)))).toEqual(feed.map((_, index) => index));
    expect(feed.slice(0, ids.length).map(({ header }) => header(HEADERS.eventId))).toEqual(
      ids.slice(0, feed.length),
    );
  }, 180_000);
});

describe('kill -9 of the servers', () => {
  it('the ledger comes back by itself, with every acknowledged record once', async () => {
    const policy = await on.journalOf('policy');
    const record = (count: number): Promise<string[]> =>
      journalAll(policy, makeRecords(count, { service: 'policy', type: 'principal.listed' }));
    const acknowledged = await record(50);
    await on.postgres.kill();
    acknowledged.push(...(await record(50))); // JOURNAL takes them without the ledger
    await on.postgres.restart();
    await allInLedger(acknowledged);
    await on.mesh.server.kill();
    await on.mesh.server.restart();
    acknowledged.push(
      ...(await eventually(
        async () => {
          const ids = await record(50);
          expect(ids.length).toBe(50);
          return ids;
        },
        { timeoutMs: 30_000 },
      )),
    );
    const ids = await allInLedger(acknowledged);
    expect(new Set(ids).size).toBe(ids.length);
    expect(await on.fsck()).toMatchObject({ ok: true, problems: [] });
    expect(service.text()).toContain('writing the ledger');
  }, 180_000);
});
