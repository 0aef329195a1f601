import { parseCheckpoint, type Checkpoint } from './checkpoint.js';
import { appendLeafHash, EMPTY_RANGE, rootOf, type CompactRange } from './compact-range.js';
import { hashLeaf, sameHash } from './hashing.js';
import { openNote, type NoteVerifier } from './note.js';

/** The checks in the order they are made. A check that needs an earlier one is not in the list when that failed. */
export type LogCheck =
  | 'checkpoint-signature'
  | 'checkpoint-form'
  | 'checkpoint-origin'
  | 'previous-checkpoint-signature'
  | 'previous-checkpoint-form'
  | 'previous-checkpoint-origin'
  | 'previous-checkpoint-not-larger'
  | 'leaves-reach-checkpoint'
  | 'root-of-previous-checkpoint'
  | 'root-of-checkpoint';

export interface LogVerification {
  readonly ok: boolean;
  readonly checks: readonly { readonly check: LogCheck; readonly ok: boolean; readonly detail?: string }[];
  /**
   * `anchored`: these leaves are what the previous checkpoint, kept elsewhere, committed to, and more.
   * `self-consistent only`: they fit a checkpoint that came from the same hands. `broken`: a check failed.
   */
  readonly standing: 'anchored' | 'self-consistent only' | 'broken';
  readonly checkpoint: Checkpoint | undefined;
  /** Leaves that the checkpoint covers and whose hashes were recomputed. */
  readonly coveredLeaves: number;
  /** Leaves read beyond the checkpoint: nothing is said about them. */
  readonly uncoveredLeaves: number;
}

export interface LogToVerify {
  /** Exact leaf bytes in index order, from index 0. */
  readonly leaves: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** Signed note of the newest checkpoint. */
  readonly checkpoint: string;
  readonly verifier: NoteVerifier;
  /** A note of the same log that was kept elsewhere. Without it nobody can notice a rewritten history. */
  readonly previousCheckpoint?: string | undefined;
}

/** Verifies a whole log from its leaves: no proof, tile or index of the log's keeper is believed. Never throws for bad data. */
export async function verifyLog(log: LogToVerify): Promise<LogVerification> {
  const checks: { check: LogCheck; ok: boolean; detail?: string }[] = [];
  const check = (name: LogCheck, ok: boolean, detail?: string): boolean => {
    checks.push({ check: name, ok, ...(ok || detail === undefined ? {} : { detail }) });
    return ok;
  };
  const checkpoint = openCheckpoint(log.checkpoint, log.verifier, '', check);
  const previous =
    log.previousCheckpoint === undefined
      ? undefined
      : openCheckpoint(log.previousCheckpoint, log.verifier, 'previous-', check);
  let covered = 0;
  let uncovered = 0;
  if (checkpoint !== undefined) {
    const sizes = `${String(previous?.size)} → ${String(checkpoint.size)}`;
    const comparable =
      previous !== undefined &&
      check('previous-checkpoint-not-larger', previous.size <= checkpoint.size, sizes);
    const seen = await rebuild(log.leaves, checkpoint.size, comparable ? previous.size : undefined);
    covered = seen.range.size;
    uncovered = seen.uncovered;
    if (check('leaves-reach-checkpoint', covered === checkpoint.size, `${String(covered)} leaves`)) {
      if (comparable)
        check(
          'root-of-previous-checkpoint',
          seen.previousRoot !== undefined && sameHash(seen.previousRoot, previous.root),
        );
      check('root-of-checkpoint', sameHash(rootOf(seen.range), checkpoint.root));
    }
  }
  const ok = checks.every((done) => done.ok);
  const anchored = previous !== undefined ? 'anchored' : 'self-consistent only';
  return {
    ok,
    checks,
    standing: ok ? anchored : 'broken',
    checkpoint,
    coveredLeaves: covered,
    uncoveredLeaves: uncovered,
  };
}

function openCheckpoint(
  note: string,
  verifier: NoteVerifier,
  prefix: '' | 'previous-',
  check: (name: LogCheck, ok: boolean, detail?: string) => boolean,
): Checkpoint | undefined {
  const opened = openNote(note, verifier);
  if (!check(`${prefix}checkpoint-signature`, opened.ok, opened.ok ? undefined : opened.reason))
    return undefined;
  const checkpoint = opened.ok ? parseCheckpoint(opened.text) : undefined;
  if (!check(`${prefix}checkpoint-form`, checkpoint !== undefined) || checkpoint === undefined)
    return undefined;
  return check(`${prefix}checkpoint-origin`, checkpoint.origin === verifier.name) ? checkpoint : undefined;
}

async function rebuild(
  leaves: LogToVerify['leaves'],
  size: number,
  previousSize: number | undefined,
): Promise<{ range: CompactRange; previousRoot: Uint8Array | undefined; uncovered: number }> {
  let range = EMPTY_RANGE;
  let previousRoot = previousSize === 0 ? rootOf(range) : undefined;
  let uncovered = 0;
  for await (const leaf of leaves) {
    if (range.size === size) {
      uncovered += 1;
      continue;
    }
    range = appendLeafHash(range, hashLeaf(leaf));
    if (range.size === previousSize) previousRoot = rootOf(range);
  }
  return { range, previousRoot, uncovered };
}
