import { sameHash } from '@keymesh/transparency-log';
import type { JournaledLeaf } from './assess-packs.js';
import type { Incident } from './incident.js';

/** A record whose event id is in the ledger already. It is marked, and not counted. */
export interface Repeat {
  readonly eventId: string;
  readonly journalSequence: number;
}

/**
 * Divides leaves into first occurrences by event id, in order, and repeats.
 * @param known leaf hashes of those event ids that the ledger has.
 */
export function divideFirstOccurrences(
  leaves: readonly JournaledLeaf[],
  known: ReadonlyMap<string, Uint8Array>,
): { firsts: JournaledLeaf[]; repeats: Repeat[]; incidents: Incident[] } {
  const seen = new Map(known);
  const firsts: JournaledLeaf[] = [];
  const repeats: Repeat[] = [];
  const incidents: Incident[] = [];
  for (const leaf of leaves) {
    const { eventId } = leaf.facts;
    const first = seen.get(eventId);
    if (first === undefined) {
      seen.set(eventId, leaf.leafHash);
      firsts.push(leaf);
      continue;
    }
    const { service, journalSequence } = leaf;
    repeats.push({ eventId, journalSequence });
    // An honest retry repeats its bytes. Other bytes under a used id would be a record that somebody wants out of the log.
    if (!sameHash(first, leaf.leafHash))
      incidents.push({
        kind: 'repeated-event-differs',
        service,
        instance: '',
        journalSequence,
        observed: 1,
        expected: 0,
      });
  }
  return { firsts, repeats, incidents };
}
