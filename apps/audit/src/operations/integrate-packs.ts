import type { KeyObject } from 'node:crypto';
import type { ServiceName } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Delivery } from '@keymesh/mesh';
import { transact } from '@keymesh/postgres';
import type { DataSource } from 'typeorm';
import { assessPacks, chainKey } from '../domain/assess-packs.js';
import type { TreeHead } from '../store/tree-head.js';
import { commitPacks, loadState, type Batch, type Integrated, type LedgerState } from './commit-packs.js';

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

/** The single writer of the ledger. Calls of `integrate` must not overlap. */
export function makeLedgerWriter(options: LedgerWriterOptions): LedgerWriter {
  const { dataSource, clock } = options;
  let state: LedgerState | undefined;

  const load = async (): Promise<LedgerState> => {
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
        const { next, integrated } = await transact(dataSource, (manager) => commitPacks(manager, batch));
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
