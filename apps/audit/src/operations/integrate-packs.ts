import type { KeyObject } from 'node:crypto';
import { failure, type ServiceName } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Delivery } from '@keymesh/mesh';
import { transact } from '@keymesh/postgres';
import {
  appendToTree,
  loadEdge,
  rootOfEdge,
  sameHash,
  type ChangedTile,
  type TreeEdge,
} from '@keymesh/transparency-log';
import type { DataSource, EntityManager } from 'typeorm';
import { assessPacks, chainKey, type Assessment, type JournaledLeaf } from '../domain/assess-packs.js';
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

export interface LedgerWriterOptions {
  readonly dataSource: DataSource;
  readonly clock: Clock;
  /** Keys that sign the packs of a service. @throws POLICY_UNAVAILABLE before the first bundle: then nothing can be checked. */
  readonly keysOf: (service: ServiceName) => readonly KeyObject[];
}

export interface LedgerWriter {
  /** Where the ledger stands: from memory, or from the database after a failure. @throws LOG_INCONSISTENT, STORE_UNAVAILABLE */
  head(): Promise<TreeHead>;
  /** Forgets what is in memory: another may have written, or the database may be an older copy now. */
  forget(): void;
  /**
   * Takes journal messages into the ledger in one transaction; what it has already is passed over. When this resolves they are
   * committed and may be acknowledged; when it throws, none is, and the same messages may be given again.
   */
  integrate(deliveries: readonly Delivery[]): Promise<Integrated>;
}

/** What is in memory between two commits. Replaced as a whole after a commit, dropped after a failure. */
interface State {
  readonly head: TreeHead;
  readonly edge: TreeEdge;
  readonly chains: Map<string, PackChain>;
}

/** The single writer of the ledger. Calls of `integrate` must not overlap. */
export function makeLedgerWriter(options: LedgerWriterOptions): LedgerWriter {
  const { dataSource, clock } = options;
  let state: State | undefined;

  const load = async (): Promise<State> => {
    const loaded = await transact(dataSource, loadState);
    state = loaded;
    return loaded;
  };

  return {
    head: async () => (state ?? (await load())).head,
    forget: () => {
      state = undefined;
    },
    async integrate(deliveries) {
      const current = state ?? (await load());
      const fresh = deliveries.filter(({ streamSequence }) => streamSequence > current.head.journalSequence);
      if (fresh.length === 0) return nothingNew(current.head);
      const { chains } = current;
      const assessed = assessPacks(fresh, { chainOf: (key) => chains.get(key), keysOf: options.keysOf });
      const batch: Batch = { current, fresh, assessed, nowMs: clock.now() };
      try {
        const { next, integrated } = await transact(dataSource, (manager) => commit(manager, batch));
        for (const chain of assessed.chains) chains.set(chainKey(chain), chain);
        state = { ...next, chains };
        return integrated;
      } catch (error) {
        // The commit may have happened without our hearing of it: only the database knows.
        state = undefined;
        throw error;
      }
    },
  };
}

const nothingNew = (head: TreeHead): Integrated => ({
  firstIndex: head.size,
  leaves: [],
  repeats: 0,
  incidents: [],
  head,
});

async function loadState(manager: EntityManager): Promise<State> {
  const head = await readTreeHead(manager);
  const edge = await loadEdge(head.size, tileReader(manager));
  if (!sameHash(rootOfEdge(edge), head.root)) {
    throw failure('LOG_INCONSISTENT', { details: { part: 'tiles and tree head', size: head.size } });
  }
  const chains = await readChains(manager);
  return { head, edge, chains: new Map(chains.map((chain) => [chainKey(chain), chain])) };
}

interface Batch {
  readonly current: State;
  readonly fresh: readonly Delivery[];
  readonly assessed: Assessment;
  readonly nowMs: number;
}

async function commit(
  manager: EntityManager,
  { current, fresh, assessed, nowMs }: Batch,
): Promise<{ next: Omit<State, 'chains'>; integrated: Integrated }> {
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
