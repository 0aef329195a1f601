import { failure } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { MetadataIndex } from '../domain/ports.js';
import { CURRENCY_MS, makeCurrency } from './currency.js';
import { makeIndexEntries, type ChangedRow } from './index-entries.js';

/** Half of the time that an answer counts, so that one late answer does not send reads to Postgres. */
const POLL_EVERY_MS = CURRENCY_MS / 2;

/** All rows that changed in transactions from `sinceXmin` on, and the snapshot's own xmin, read in one statement. */
export type LoadChanges = (
  sinceXmin: string | undefined,
) => Promise<{ readonly xmin: string; readonly rows: readonly ChangedRow[] }>;

export interface MetadataIndexOptions {
  readonly loadChanges: LoadChanges;
  readonly clock: Clock;
  /** How long known credentials are served while Postgres is away; 0: not at all. */
  readonly staleForSeconds: number;
  /** A keyed hash of a name, as invalidations carry it. */
  readonly nameTag: (name: string) => string;
  readonly onPoll?: (outcome: 'success' | 'failure', durationMs: number) => void;
}

export interface CoherentIndex extends MetadataIndex {
  /** Reads everything for the first time, then polls. @throws STORE_UNAVAILABLE */
  readonly start: () => Promise<void>;
  readonly stop: () => void;
  /**
   * Somebody changed the credential of this name (its tag): what memory says of it does not count any more. @param withdrawn something
   * was taken away: it is not served as stale either, should Postgres be away.
   */
  readonly invalidate: (nameTag: string, credentialId: string, withdrawn: boolean) => void;
  /** Messages may have been missed: nothing in memory counts, as stale neither, until Postgres was asked. */
  readonly withdrawAll: () => void;
  /** For health and metrics. */
  readonly state: () => { readonly credentials: number; readonly ageMs: number; readonly away: boolean };
}

/**
 * Metadata of all credentials in memory, absences included, coherent with Postgres and the other instances ({@link makeCurrency}).
 * While Postgres is away it answers from what it knew, marked stale.
 */
export function makeMetadataIndex(options: MetadataIndexOptions): CoherentIndex {
  const { clock, staleForSeconds, nameTag } = options;
  const entries = makeIndexEntries();
  let xmin: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  const currency = makeCurrency({
    async refresh() {
      const changes = await options.loadChanges(xmin);
      entries.apply(changes.rows);
      xmin = changes.xmin;
    },
    clock,
    staleForSeconds,
    onRefresh: options.onPoll,
  });
  // A tag costs a hash, and between writes there is nothing to compare it with.
  const keysOf = (name: string): readonly string[] =>
    currency.dirtyKeys().length === 0 ? [] : [nameTag(name)];
  const poll = (): void => {
    timer = setTimeout(() => void currency.refresh().finally(poll), POLL_EVERY_MS);
    timer.unref();
  };

  return {
    async findByName(name) {
      const stale = await currency.settle(keysOf(name));
      return { credential: entries.byName(name), stale };
    },
    async findById(credentialId) {
      const stale = await currency.settle([credentialId]);
      return { credential: entries.byId(credentialId), stale };
    },
    async listByName() {
      const stale = await currency.settle(currency.dirtyKeys());
      return { credentials: entries.list(), stale };
    },
    stillHolds({ credential, stale }) {
      if (credential === undefined || !entries.isLatest(credential)) return false;
      return stale
        ? currency.mayServeStale([credential.credentialId])
        : currency.isCurrent([credential.credentialId]);
    },
    async start() {
      if (!(await currency.refresh())) throw failure('STORE_UNAVAILABLE');
      poll();
    },
    stop: () => clearTimeout(timer),
    invalidate: (tag, credentialId, withdrawn) =>
      withdrawn ? currency.withdraw(tag, credentialId) : currency.invalidate(tag, credentialId),
    withdrawAll: () => currency.withdrawAll(),
    state: () => ({ credentials: entries.size(), ...currency.state() }),
  };
}
