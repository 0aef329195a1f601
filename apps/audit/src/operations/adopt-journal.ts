import { transact } from '@keymesh/postgres';
import type { DataSource } from 'typeorm';
import type { Incident } from '../domain/incident.js';
import { insertIncidents } from '../store/incidents.js';
import { lockTreeHead, saveTreeHead, type TreeHead } from '../store/tree-head.js';

/** The stream JOURNAL as it is now. */
export interface JournalEnds {
  readonly created: string;
  readonly lastSequence: number;
}

/**
 * Makes the ledger's position one of the stream that is there now: of a stream that was made anew all is taken from its beginning, of one
 * that lost its end what comes next. Both are incidents, since records may be gone. Otherwise changes nothing.
 * INVARIANT: after it, a message that comes next has a sequence above the position; else it would be passed over as known.
 */
export async function adoptJournal(
  dataSource: DataSource,
  journal: JournalEnds,
  nowMs: number,
): Promise<TreeHead> {
  return await transact(dataSource, async (manager) => {
    const head = await lockTreeHead(manager);
    const isSame = head.journalCreated === journal.created;
    if (isSame && journal.lastSequence >= head.journalSequence) return head;
    const journalSequence = isSame ? journal.lastSequence : 0;
    const next: TreeHead = { ...head, journalSequence, journalCreated: journal.created };
    await saveTreeHead(manager, next);
    if (head.journalSequence > 0) await insertIncidents(manager, [replaced(head, journal)], nowMs);
    return next;
  });
}

const replaced = (head: TreeHead, { lastSequence }: JournalEnds): Incident => ({
  kind: 'journal-replaced',
  service: 'audit',
  instance: '',
  journalSequence: head.journalSequence,
  observed: lastSequence,
  expected: head.journalSequence,
});
