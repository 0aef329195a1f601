import { failure } from '@keymesh/contracts';
import type { SigningKey } from '@keymesh/kernel';
import { transact } from '@keymesh/postgres';
import { checkpointText, rootAtSize, sameHash, signNote, type Checkpoint } from '@keymesh/transparency-log';
import type { DataSource, EntityManager } from 'typeorm';
import { findNewestCheckpoint, insertCheckpoint, type StoredCheckpoint } from '../store/checkpoints.js';
import { tileReader } from '../store/tiles.js';
import { lockTreeHead } from '../store/tree-head.js';

export interface CheckpointSignerOptions {
  readonly dataSource: DataSource;
  readonly checkpointKey: SigningKey;
  readonly origin: string;
  /** The newest checkpoint that is known outside the ledger's database, its signature checked; undefined for none. Asked once. */
  readonly publishedElsewhere: () => Promise<Checkpoint | undefined>;
  /** Publishes a checkpoint if, and only if, the transaction commits. */
  readonly announce: (manager: EntityManager, checkpoint: StoredCheckpoint) => Promise<void>;
}

/** What came of an attempt. `behind`: the ledger is smaller than what was published; it has to be rebuilt from JOURNAL first. */
export type SigningResult =
  | { readonly state: 'signed' | 'unchanged'; readonly checkpoint: StoredCheckpoint }
  | { readonly state: 'behind'; readonly size: number; readonly publishedSize: number };

/**
 * Signs the committed tree head, if it is newer than the last checkpoint.
 * INVARIANT: nothing is signed below or beside what was published, in this database or elsewhere: the tree must have that
 * checkpoint's root at its size.
 * @throws LOG_INCONSISTENT when it has another; it will never sign again until somebody has looked.
 */
export function makeCheckpointSigner(options: CheckpointSignerOptions): () => Promise<SigningResult> {
  const { dataSource } = options;
  let elsewhere: { readonly checkpoint: Checkpoint | undefined } | undefined;
  return async () => {
    elsewhere ??= { checkpoint: await options.publishedElsewhere() };
    const known = elsewhere.checkpoint;
    const result = await transact(dataSource, (manager) => sign(manager, options, known));
    if (result.state === 'behind') return result;
    // From here on what is published is in this database, and its copy outside is ours.
    elsewhere = { checkpoint: { origin: options.origin, ...result.checkpoint } };
    return result;
  };
}

async function sign(
  manager: EntityManager,
  { origin, checkpointKey, announce }: CheckpointSignerOptions,
  elsewhere: Checkpoint | undefined,
): Promise<SigningResult> {
  // The lock waits for a commit under way, so that what is signed is committed, and keeps two signers apart.
  const head = await lockTreeHead(manager);
  const newest = await findNewestCheckpoint(manager);
  for (const published of [newest, elsewhere]) {
    if (published === undefined) continue;
    if (published.size > head.size)
      return { state: 'behind', size: head.size, publishedSize: published.size };
    if (!sameHash(await rootAtSize(published.size, tileReader(manager)), published.root)) {
      throw failure('LOG_INCONSISTENT', { details: { size: head.size, publishedSize: published.size } });
    }
  }
  if (newest?.size === head.size) {
    if (elsewhere === undefined) await announce(manager, newest); // its copy has expired, or never arrived
    return { state: 'unchanged', checkpoint: newest };
  }
  const { size, root } = head;
  const note = signNote(checkpointText({ origin, size, root }), origin, checkpointKey);
  const checkpoint = { size, root, note };
  await insertCheckpoint(manager, checkpoint);
  await announce(manager, checkpoint);
  return { state: 'signed', checkpoint };
}
