import { failure, SERVICES, type ServiceName } from '@keymesh/contracts';
import { transact } from '@keymesh/postgres';
import {
  appendLeafHash,
  appendToTree,
  EMPTY_RANGE,
  hashLeaf,
  loadEdge,
  openNote,
  parseCheckpoint,
  rootOf,
  rootOfEdge,
  sameHash,
  type Checkpoint,
  type CompactRange,
  type NoteVerifier,
  type TreeEdge,
} from '@keymesh/transparency-log';
import type { DataSource, EntityManager } from 'typeorm';
import type { JournaledLeaf } from '../domain/assess-packs.js';
import { readLeaf } from '../domain/leaf.js';
import { findNewestCheckpoint, insertCheckpoint } from '../store/checkpoints.js';
import { insertEntries } from '../store/ledger-rows.js';
import { saveTiles, tileReader } from '../store/tiles.js';
import { lockTreeHead, saveTreeHead, type TreeHead } from '../store/tree-head.js';

export interface KeptLog {
  /** Exact leaf bytes in index order, from index 0. */
  readonly leaves: AsyncIterable<Uint8Array>;
  /** Signed note of the newest checkpoint that was kept. */
  readonly checkpoint: string;
  readonly verifier: NoteVerifier;
}

const BATCH = 1_000;

/**
 * Continues a ledger that was restored from an older copy by an exported log, up to a checkpoint that was published: the same leaves at the
 * same indexes, so that nothing is ever signed below or beside it. All in one transaction; leaves after the checkpoint are not taken.
 * Readable values that stood beside the leaves are not in an export and stay lost.
 * @returns the head, and how many leaves were added; none when the ledger reaches as far already.
 * @throws LOG_INCONSISTENT when leaves, checkpoint and ledger do not belong together; then nothing is changed.
 */
export async function continueLedger(
  dataSource: DataSource,
  kept: KeptLog,
): Promise<{ readonly size: number; readonly added: number }> {
  const checkpoint = openCheckpoint(kept);
  return transact(dataSource, async (manager) => {
    const head = await lockTreeHead(manager);
    if (head.size >= checkpoint.size) return { size: head.size, added: 0 };
    const edge = await append(manager, head, checkpoint, kept.leaves);
    if (edge.size !== checkpoint.size || !sameHash(rootOfEdge(edge), checkpoint.root))
      throw inconsistent('the leaves do not have the root of the checkpoint');
    await saveTreeHead(manager, { ...head, size: edge.size, root: rootOfEdge(edge) });
    if ((await findNewestCheckpoint(manager))?.size !== checkpoint.size)
      await insertCheckpoint(manager, {
        size: checkpoint.size,
        root: checkpoint.root,
        note: kept.checkpoint,
      });
    return { size: edge.size, added: edge.size - head.size };
  });
}

async function append(
  manager: EntityManager,
  head: TreeHead,
  checkpoint: Checkpoint,
  leaves: AsyncIterable<Uint8Array>,
): Promise<TreeEdge> {
  let edge = await loadEdge(head.size, tileReader(manager));
  let known: CompactRange = EMPTY_RANGE;
  let batch: JournaledLeaf[] = [];
  const flush = async (): Promise<void> => {
    await insertEntries(manager, edge.size, batch);
    const appended = appendToTree(
      edge,
      batch.map(({ leafHash }) => leafHash),
    );
    await saveTiles(manager, appended.changed);
    ({ edge } = appended);
    batch = [];
  };
  for await (const leaf of leaves) {
    if (known.size < head.size) {
      known = appendLeafHash(known, hashLeaf(leaf));
      if (known.size === head.size && !sameHash(rootOf(known), head.root))
        throw inconsistent('the leaves are not those of the ledger');
      continue;
    }
    if (edge.size + batch.length === checkpoint.size) break;
    batch.push(toLeaf(leaf, head.journalSequence));
    if (batch.length === BATCH) await flush();
  }
  if (batch.length > 0) await flush();
  return edge;
}

function toLeaf(leaf: Uint8Array, journalSequence: number): JournaledLeaf {
  const service = serviceOf(leaf);
  const facts = service === undefined ? undefined : readLeaf(leaf, service);
  if (service === undefined || facts === undefined) throw inconsistent('a leaf is no record');
  return { leaf, leafHash: hashLeaf(leaf), beside: undefined, facts, service, journalSequence };
}

function serviceOf(leaf: Uint8Array): ServiceName | undefined {
  try {
    const { service } = JSON.parse(Buffer.from(leaf).toString('utf8')) as { service?: unknown };
    return SERVICES.find((name) => name === service);
  } catch {
    return undefined;
  }
}

function openCheckpoint({ checkpoint, verifier }: KeptLog): Checkpoint {
  const opened = openNote(checkpoint, verifier);
  const parsed = opened.ok ? parseCheckpoint(opened.text) : undefined;
  if (parsed?.origin !== verifier.name) throw inconsistent('the checkpoint is not of this log');
  return parsed;
}

const inconsistent = (reason: string) => failure('LOG_INCONSISTENT', { details: { reason } });
