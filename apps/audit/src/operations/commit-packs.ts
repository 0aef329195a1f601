import { failure } from '@keymesh/contracts';
import type { Delivery } from '@keymesh/mesh';
import {
  appendToTree,
  loadEdge,
  rootOfEdge,
  sameHash,
  type ChangedTile,
  type TreeEdge,
} from '@keymesh/transparency-log';
import type { EntityManager } from 'typeorm';
import { chainKey, type Assessment, type JournaledLeaf } from '../domain/assess-packs.js';
import { divideFirstOccurrences, type Repeat } from '../domain/first-occurrences.js';
import type { Incident } from '../domain/incident.js';
import type { PackChain } from '../domain/pack-chain.js';
import { insertIncidents } from '../store/incidents.js';
import { findKnownEvents, insertBeside, insertEntries, insertRepeats } from '../store/ledger-rows.js';
import { readChains, saveChains } from '../store/pack-chains.js';
import { saveTiles, tileReader } from '../store/tiles.js';
import { lockTreeHead, readTreeHead, saveTreeHead, type TreeHead } from '../store/tree-head.js';

/** What one commit added. */
export interface Integrated {
  readonly firstIndex: number;
  readonly leaves: readonly JournaledLeaf[];
  readonly repeats: number;
  readonly incidents: readonly Incident[];
  readonly head: TreeHead;
}

/** What is in memory between two commits. Replaced as a whole after a commit, dropped after a failure. */
export interface LedgerState {
  readonly head: TreeHead;
  readonly edge: TreeEdge;
  readonly chains: Map<string, PackChain>;
}

/** Where the ledger stands, as the database says. @throws LOG_INCONSISTENT */
export async function loadState(manager: EntityManager): Promise<LedgerState> {
  const head = await readTreeHead(manager);
  const edge = await loadEdge(head.size, tileReader(manager));
  if (!sameHash(rootOfEdge(edge), head.root)) {
    throw failure('LOG_INCONSISTENT', { details: { part: 'tiles and tree head', size: head.size } });
  }
  const chains = await readChains(manager);
  return { head, edge, chains: new Map(chains.map((chain) => [chainKey(chain), chain])) };
}

/** Journal messages on their way into the ledger. */
export interface Batch {
  readonly current: LedgerState;
  readonly fresh: readonly Delivery[];
  readonly assessed: Assessment;
  readonly nowMs: number;
}

/** One transaction: leaves, tiles, chains, incidents and the new head. @throws UNAVAILABLE when another instance wrote meanwhile */
export async function commitPacks(
  manager: EntityManager,
  { current, fresh, assessed, nowMs }: Batch,
): Promise<{ next: Omit<LedgerState, 'chains'>; integrated: Integrated }> {
  const { head } = current;
  await expectHead(manager, head);
  const eventIds = assessed.leaves.map(({ facts }) => facts.eventId);
  const { firsts, repeats, incidents } = divideFirstOccurrences(
    assessed.leaves,
    await findKnownEvents(manager, eventIds),
  );
  const { edge, changed } = appendToTree(
    current.edge,
    firsts.map(({ leafHash }) => leafHash),
  );
  const next: TreeHead = {
    size: edge.size,
    root: firsts.length === 0 ? head.root : rootOfEdge(edge),
    journalSequence: fresh.at(-1)?.streamSequence ?? head.journalSequence,
    journalStoredAt: fresh.at(-1)?.storedAt ?? head.journalStoredAt,
    journalCreated: head.journalCreated,
  };
  const found = [...missingMessages(head, fresh), ...assessed.incidents, ...incidents];
  await save(manager, { head, next, firsts, changed, repeats });
  await saveChains(manager, assessed.chains);
  await insertIncidents(manager, found, nowMs);
  return {
    next: { head: next, edge },
    integrated: {
      firstIndex: head.size,
      leaves: firsts,
      repeats: repeats.length,
      incidents: found,
      head: next,
    },
  };
}

// INVARIANT: indexes are given out from the head that this transaction has locked, or not at all.
async function expectHead(manager: EntityManager, expected: TreeHead): Promise<void> {
  const locked = await lockTreeHead(manager);
  if (locked.size === expected.size && locked.journalSequence === expected.journalSequence) return;
  throw failure('UNAVAILABLE', { details: { because: 'another instance has written the ledger meanwhile' } });
}

interface Additions {
  readonly head: TreeHead;
  readonly next: TreeHead;
  readonly firsts: readonly JournaledLeaf[];
  readonly changed: readonly ChangedTile[];
  readonly repeats: readonly Repeat[];
}

async function save(
  manager: EntityManager,
  { head, next, firsts, changed, repeats }: Additions,
): Promise<void> {
  await insertEntries(manager, head.size, firsts);
  await insertBeside(manager, head.size, firsts);
  await insertRepeats(manager, repeats);
  await saveTiles(manager, changed);
  await saveTreeHead(manager, next);
}

// JOURNAL numbers its messages without gaps and lets none be deleted: what is missing has expired, or was taken out.
function missingMessages(head: TreeHead, fresh: readonly Delivery[]): Incident[] {
  const incidents: Incident[] = [];
  let expected = head.journalSequence + 1;
  for (const { streamSequence } of fresh) {
    if (streamSequence > expected) {
      const place = { service: 'audit', instance: '', journalSequence: streamSequence } as const;
      incidents.push({ kind: 'journal-expired', ...place, observed: streamSequence, expected });
    }
    expected = streamSequence + 1;
  }
  return incidents;
}
