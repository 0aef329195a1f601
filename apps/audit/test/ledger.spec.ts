import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  getCheckpoint,
  HEADERS,
  listAuditEvents,
  proveConsistency,
  proveInclusion,
  readAuditEvent,
  subjects,
} from '@keymesh/contracts';
import { toHex, utf8 } from '@keymesh/kernel';
import { isEventSignedBy, type Caller, type Journal } from '@keymesh/mesh';
import { eventually, expectCode, type ServiceProcess } from '@keymesh/testing';
import {
  decodeEntryBundle,
  hashLeaf,
  openNote,
  parseCheckpoint,
  parseNoteVerifier,
  verifyConsistency,
  verifyInclusion,
  verifyLog,
  type Checkpoint,
} from '@keymesh/transparency-log';
import { makeRecord, makeRecords } from './records.js';
import { journalAll, ORIGIN, startAuditMesh, type AuditMesh } from './support/audit-mesh.js';

// The project's own environment, which `npm test` provides (scripts/provision/python.mjs).
const PYTHON =
  process.env.KEYMESH_PYTHON ?? join(import.meta.dirname, '../../../.keymesh-tools/venv/bin/python');

interface FeedEvent {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly header: (name: string) => string;
}

let on: AuditMesh;
let service: ServiceProcess;
let vault: Journal;
let auditor: Caller;
const feed: FeedEvent[] = [];

beforeAll(async () => {
  on = await startAuditMesh();
  const { nats } = await on.mesh.connectAs(on.mesh.addPrincipal('listener', ['siem']));
  nats.subscribe(subjects.auditAll, {
    callback: (_error, msg) =>
      void feed.push({
        subject: msg.subject,
        data: msg.data,
        header: (name) => msg.headers?.get(name) ?? '',
      }),
  });
  service = await on.start();
  vault = await on.journalOf('vault');
  auditor = await on.callerOf(on.auditor);
}, 90_000);

afterAll(async () => {
  await service.kill('SIGTERM');
  await on.stop();
}, 30_000);

const integrated = (ids: readonly string[]): Promise<string[]> =>
  eventually(
    async () => {
      const known = await on.eventIds();
      expect(known).toEqual(expect.arrayContaining([...ids]));
      return known;
    },
    { timeoutMs: 15_000 },
  );

/** A checkpoint that covers what is in the ledger now. */
async function checkpointNow(): Promise<Checkpoint> {
  const size = (await on.eventIds()).length;
  return eventually(
    async () => {
      const { checkpoint, verifierKey } = await auditor.call(getCheckpoint, {});
      expect(verifierKey).toBe(on.verifier.text);
      const opened = openNote(checkpoint, parseNoteVerifier(verifierKey)!);
      const parsed = opened.ok ? parseCheckpoint(opened.text) : undefined;
      expect(parsed?.size).toBeGreaterThanOrEqual(size);
      return parsed!;
    },
    { timeoutMs: 10_000 },
  );
}

async function allLeaves(): Promise<string[]> {
  const leaves: string[] = [];
  for (;;) {
    const { events } = await auditor.call(listAuditEvents, { fromIndex: leaves.length, limit: 500 });
    if (events.length === 0) return leaves;
    leaves.push(...events.map(({ leaf }) => leaf));
  }
}

describe('journal → ledger → feed', () => {
  it('takes acknowledged records once, in journal order, and publishes one signed event for each', async () => {
    const ids = await journalAll(vault, makeRecords(700));
    expect(ids).toHaveLength(700);
    const known = await integrated(ids);
    expect(known.filter((id) => ids.includes(id))).toEqual(ids);
    expect(await on.fsck()).toMatchObject({ ok: true, problems: [] });

    await eventually(() => expect(feed.length).toBeGreaterThanOrEqual(known.length), { timeoutMs: 15_000 });
    expect(feed.map(({ header }) => Number(header(HEADERS.logIndex)))).toEqual(feed.map((_, index) => index));
    const rows = await on.sql<{ leaf_hash: Buffer }>('SELECT leaf_hash FROM entry ORDER BY log_index');
    const { publicKeyText } = on.mesh.identities.audit.signingKey;
    for (const [index, { subject, data, header }] of feed.entries()) {
      const read = readAuditEvent(data);
      expect(read?.logIndex).toBe(index);
      expect(read?.record.id).toBe(header(HEADERS.eventId));
      expect(header(HEADERS.leafHash)).toBe(toHex(rows[index]!.leaf_hash));
      expect(header('Nats-Msg-Id')).toBe(header(HEADERS.leafHash));
      expect(subject).toBe(`keymesh.v1.audit.${read!.record.service}.${read!.record.type}`);
      const signed = {
        subject,
        id: header(HEADERS.eventId),
        bytes: data,
        signature: header(HEADERS.signature),
      };
      expect(isEventSignedBy([publicKeyText], signed)).toBe(true);
    }
  });

  it('makes no leaf of a heartbeat', async () => {
    const quiet = await on.journalOf('rotation');
    await quiet.close(); // a final pack without records
    await eventually(async () => {
      const [chain] = await on.sql<{ ended: boolean }>(
        `SELECT ended FROM pack_chain WHERE service = 'rotation'`,
      );
      expect(chain?.ended).toBe(true);
    });
    expect(await on.sql(`SELECT 1 FROM entry WHERE type LIKE 'heartbeat%'`)).toEqual([]);
    expect(await on.sql('SELECT * FROM incident')).toEqual([]);
  });

  it('counts the first occurrence of an event id and marks the others', async () => {
    const record = makeRecord();
    await vault.record(record);
    await vault.record(record);
    await integrated([record.id]);
    await eventually(async () =>
      expect(await on.sql('SELECT event_id FROM repeat')).toEqual([{ event_id: record.id }]),
    );
    expect((await on.eventIds()).filter((id) => id === record.id)).toHaveLength(1);
  });

  it('keeps names beside the leaf, where the service may erase them, and lets it change no entry', async () => {
    const rows = await on.sql<{ readable: unknown }>(
      'SELECT readable FROM beside ORDER BY log_index LIMIT 1',
    );
    expect(rows).toEqual([{ readable: { name: 'n', salt: 's' } }]);
    await on.sql('DELETE FROM beside WHERE log_index = 0');
    expect((await on.fsck()).ok).toBe(true);
    for (const forbidden of [
      'UPDATE entry SET leaf_hash = leaf_hash',
      'DELETE FROM entry',
      'DELETE FROM checkpoint',
    ])
      await expect(on.sql(forbidden)).rejects.toMatchObject({
        message: expect.stringContaining('permission denied') as unknown,
      });
  });
});

describe('what an auditor can ask', () => {
  it('exports a log that verifies against its checkpoint, and against an earlier one', async () => {
    const { checkpoint: earlier } = await auditor.call(getCheckpoint, {});
    await integrated(await journalAll(vault, makeRecords(300)));
    await checkpointNow();
    const { checkpoint } = await auditor.call(getCheckpoint, {});
    const leaves = (await allLeaves()).map(utf8);
    const log = { leaves, checkpoint, verifier: on.verifier };
    expect(await verifyLog(log)).toMatchObject({ ok: true, standing: 'self-consistent only' });
    expect(await verifyLog({ ...log, previousCheckpoint: earlier })).toMatchObject({
      ok: true,
      standing: 'anchored',
    });
  });

  it('exports a log that a program of others verifies: Python, hashlib and PyPI cryptography', async () => {
    await checkpointNow();
    const { checkpoint, verifierKey } = await auditor.call(getCheckpoint, {});
    const leaves = await allLeaves();
    const folder = await mkdtemp(join(tmpdir(), 'keymesh-export-'));
    const write = async (name: string, text: string): Promise<string> => {
      await writeFile(join(folder, name), text);
      return join(folder, name);
    };
    const verify = async (lines: readonly string[]) =>
      promisify(execFile)(PYTHON, [
        join(import.meta.dirname, 'support/verify_log.py'),
        await write('leaves', lines.map((leaf) => `${leaf}\n`).join('')),
        await write('checkpoint', checkpoint),
        await write('key', `${verifierKey}\n`),
      ]);
    const { size, root } = parseCheckpoint(checkpoint.slice(0, checkpoint.lastIndexOf('\n\n') + 1))!;
    expect((await verify(leaves)).stdout).toBe(`${String(size)} ${toHex(root)}\n`);
    const changed = leaves.map((leaf, at) => (at === 5 ? leaf.replace('success', 'denied') : leaf));
    await expect(verify(changed)).rejects.toMatchObject({ code: 1 });
    await rm(folder, { recursive: true });
  });

  it('gets proofs that verify', async () => {
    const { size, root } = await checkpointNow();
    const hashes = (texts: readonly string[]) =>
      texts.map((text) => Uint8Array.from(Buffer.from(text, 'hex')));
    for (const index of [0, 255, 256, 511, size - 1]) {
      const proof = await auditor.call(proveInclusion, { index, treeSize: size });
      const [leafHash] = hashes([proof.leafHash]);
      const claim = { index, treeSize: size, leafHash: leafHash!, hashes: hashes(proof.hashes), root };
      expect(verifyInclusion(claim)).toEqual({ ok: true });
    }
    const first = await on.sql<{ size: string; root: Buffer }>(
      'SELECT size, root FROM checkpoint WHERE size > 0 ORDER BY size LIMIT 1',
    );
    const fromSize = Number(first[0]!.size);
    const proof = await auditor.call(proveConsistency, { fromSize, toSize: size });
    const roots = { fromRoot: new Uint8Array(first[0]!.root), toRoot: root };
    expect(verifyConsistency({ fromSize, toSize: size, ...roots, hashes: hashes(proof.hashes) })).toEqual({
      ok: true,
    });
  });

  it('asks for what does not exist and is told', async () => {
    await expectCode(auditor.call(proveInclusion, { index: 5, treeSize: 5 }), 'BAD_REQUEST');
    await expectCode(auditor.call(proveInclusion, { index: 0, treeSize: 1_000_000 }), 'BAD_REQUEST');
    await expectCode(auditor.call(proveConsistency, { fromSize: 2, toSize: 1 }), 'BAD_REQUEST');
    const { events } = await auditor.call(listAuditEvents, { fromIndex: 1_000_000 });
    expect(events).toEqual([]);
  });

  it('is denied without the role, which is recorded like the reads of those who have it', async () => {
    const stranger = await on.callerOf(on.stranger);
    await expectCode(stranger.call(listAuditEvents, { fromIndex: 0 }), 'DENIED');
    const reads = await eventually(async () => {
      const rows = await on.sql<{ leaf: Buffer }>(
        `SELECT leaf FROM entry WHERE type = 'audit.read' ORDER BY log_index`,
      );
      const records = rows.map(({ leaf }) => JSON.parse(leaf.toString()) as Record<string, unknown>);
      expect(records.some(({ outcome }) => outcome === 'denied')).toBe(true);
      return records;
    });
    expect(reads.filter(({ principal }) => principal === 'auditor')).toHaveLength(1); // many calls, one session, within a minute
    expect(reads.find(({ principal }) => principal === 'stranger')).toMatchObject({
      outcome: 'denied',
      code: 'DENIED',
    });
  });

  it('gets no more than fits into a message', async () => {
    const facts = { long: 'x'.repeat(60_000) };
    await integrated(await journalAll(vault, makeRecords(12, { facts })));
    const fromIndex = (await on.eventIds()).length - 12;
    const { events } = await auditor.call(listAuditEvents, { fromIndex, limit: 500 });
    expect(events.length).toBeGreaterThan(3);
    expect(events.length).toBeLessThan(12);
  });
});

describe('the log as files (tlog-tiles)', () => {
  const get = (path: string): Promise<Response> =>
    fetch(`http://127.0.0.1:${String(service.httpPort)}/${path}`);

  it('serves checkpoint, tiles and entry bundles that fit each other', async () => {
    const { size } = await checkpointNow();
    const note = await (await get('checkpoint')).text();
    const opened = openNote(note, on.verifier);
    expect(opened.ok && parseCheckpoint(opened.text)?.origin).toBe(ORIGIN);
    const tile = Buffer.from(await (await get('tile/0/001')).arrayBuffer());
    const bundle = decodeEntryBundle(Buffer.from(await (await get('tile/entries/001')).arrayBuffer()));
    expect(bundle).toHaveLength(256);
    expect(Buffer.concat(bundle!.map(hashLeaf))).toEqual(tile);
    const last = Math.floor(size / 256);
    const width = size % 256;
    const partial = await get(`tile/0/${String(last).padStart(3, '0')}.p/${String(width)}`);
    expect((await partial.arrayBuffer()).byteLength).toBe(width * 32);
    const above = await get(`tile/1/000.p/${String(last)}`);
    expect((await above.arrayBuffer()).byteLength).toBe(last * 32);
  });

  it.each(['tile/0/999', 'tile/0/1', 'tile/entries/999', 'tile/7/000', 'tile/0/..%2f..%2fetc', 'tile/'])(
    '%s is not there',
    async (path) => {
      expect((await get(path)).status).toBe(404);
    },
  );

  it('counts what it does', async () => {
    const metrics = await (await get('metrics')).text();
    expect(metrics).toMatch(/keymesh_ledger_size_records\{service="audit"\} \d{3,}/);
    expect(metrics).toMatch(/keymesh_ledger_writer\{service="audit"\} 1/);
    expect(metrics).toMatch(/keymesh_ledger_lag_seconds\{service="audit"\} \d/);
    expect(metrics).toMatch(/keymesh_feed_published_total\{service="audit"\} \d{3,}/);
  });
});
