import { MINUTE } from '@keymesh/kernel';
import { transact } from '@keymesh/postgres';
import type { DataSource } from 'typeorm';
import type { PackChain } from '../domain/pack-chain.js';
import type { Incident } from '../domain/incident.js';
import { insertIncidents } from '../store/incidents.js';
import { markSilentChains } from '../store/pack-chains.js';
import { readTreeHead } from '../store/tree-head.js';

/** Six heartbeats of a journal. */
const SILENCE_MS = MINUTE;

/**
 * Reports chains without a final pack of which nothing comes any more: the process was killed, or the broker drops its packs. Which of
 * the two cannot be told from here; a person can. Measured by the journal's own time, so that a ledger that lags accuses nobody.
 * @returns how many there are anew.
 */
export async function reportSilentChains(dataSource: DataSource, nowMs: number): Promise<number> {
  return await transact(dataSource, async (manager) => {
    const { journalStoredAt } = await readTreeHead(manager);
    if (journalStoredAt === null) return 0;
    const silent = await markSilentChains(manager, journalStoredAt - SILENCE_MS);
    return await insertIncidents(manager, silent.map(toIncident), nowMs);
  });
}

const toIncident = ({ service, instance, sequence }: PackChain): Incident => ({
  kind: 'silent',
  service,
  instance,
  journalSequence: 0,
  observed: sequence,
  expected: sequence + 1,
});
