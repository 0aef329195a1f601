import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getCheckpoint, HEADERS } from '@keymesh/contracts';
import type { Caller } from '@keymesh/mesh';
import { eventually, type ServiceProcess } from '@keymesh/testing';
import { openNote, parseCheckpoint, type Checkpoint } from '@keymesh/transparency-log';
import { makeRecords } from './records.js';
import { journalAll, startAuditMesh, type AuditMesh } from './support/audit-mesh.js';

let on: AuditMesh;
let service: ServiceProcess;
let auditor: Caller;

beforeAll(async () => {
  on = await startAuditMesh();
  service = await on.start();
  auditor = await on.callerOf(on.auditor);
}, 90_000);

afterAll(async () => {
  await service.kill('SIGTERM');
  await on.stop();
}, 30_000);

async function checkpointOf(size: number): Promise<Checkpoint> {
  return eventually(
    async () => {
      const { checkpoint } = await auditor.call(getCheckpoint, {});
      const opened = openNote(checkpoint, on.verifier);
      const parsed = opened.ok ? parseCheckpoint(opened.text) : undefined;
      expect(parsed?.size).toBeGreaterThanOrEqual(size);
      return parsed!;
    },
    { timeoutMs: 20_000 },
  );
}

const atLeast = (size: number): Promise<string[]> =>
  eventually(
    async () => {
      const ids = await on.eventIds();
      expect(ids.length).toBeGreaterThanOrEqual(size);
      return ids;
    },
    { timeoutMs: 20_000 },
  );

describe('a ledger restored from an older copy', () => {
  it('is rebuilt from JOURNAL to the same indexes and root; the checkpoint never goes back, and the feed repeats nothing', async () => {
    const vault = await on.journalOf('vault');
    const early = await journalAll(vault, makeRecords(300));
    await atLeast(300);
    await service.kill('SIGTERM');
    await on.adminSql('CREATE DATABASE older TEMPLATE keymesh');

    service = await on.start();
    const late = await journalAll(vault, makeRecords(400));
    const before = await atLeast(700);
    expect(before).toEqual(expect.arrayContaining([...early, ...late]));
    const published = await checkpointOf(700);
    await service.kill('SIGTERM');
    const lost = await on.fsck();
    const idsLost = await on.eventIds();

    await on.adminSql('ALTER DATABASE keymesh RENAME TO newer');
    await on.adminSql('ALTER DATABASE older RENAME TO keymesh');
    expect((await on.fsck()).size).toBeLessThan(lost.size);

    service = await on.start();
    const rebuilt = await atLeast(idsLost.length);
    expect(rebuilt.slice(0, idsLost.length)).toEqual(idsLost);
    const after = await checkpointOf(published.size);
    expect(after.size).toBeGreaterThanOrEqual(published.size);
    const checked = await on.fsck();
    expect(checked).toMatchObject({ ok: true });
    const [row] = await on.sql<{ size: string }>('SELECT size FROM checkpoint ORDER BY size DESC LIMIT 1');
    expect(Number(row?.size)).toBe(after.size);

    const feed = await on.readFeed(checked.size);
    expect(feed.map(({ header }) => Number(header(HEADERS.logIndex)))).toEqual(feed.map((_, index) => index));
    expect(feed.slice(0, idsLost.length).map(({ header }) => header(HEADERS.eventId))).toEqual(idsLost);
  }, 120_000);
});
