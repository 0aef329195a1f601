import type { MakeRecord } from '../domain/audit.js';
import type { PolicyBook } from '../domain/ports.js';
import type { Refusals } from '../domain/refusals.js';

/** A subject that the NATS server let somebody neither publish nor subscribe. */
export interface SubjectViolation {
  readonly clientId: number;
  /** As the server calls the user: its nkey, or the principal's name. */
  readonly user: string;
  readonly kind: 'publish' | 'subscribe';
  /** Whatever was asked for: anybody's text. */
  readonly subject: string;
}

/** Users that are no principal share one counter. */
const STRANGERS = 'strangers';

/**
 * Records that the server refused a subject; many of one principal and kind become a sum. Never throws.
 * The subject is the asker's own text, so it stands beside the record, where it can be erased.
 */
export const makeNoteViolation =
  (ports: {
    readonly book: Pick<PolicyBook, 'current'>;
    readonly refusals: Refusals;
    readonly makeRecord: MakeRecord;
  }) =>
  async ({ clientId, user, kind, subject }: SubjectViolation): Promise<void> => {
    const { book, refusals, makeRecord } = ports;
    const entries = book.current().directory.list();
    const principal = entries.find(({ name, nkeys }) => name === user || nkeys.includes(user))?.name;
    await refusals.note(`${principal ?? STRANGERS} subject.refused ${kind}`, (summed) => ({
      record: makeRecord('subject.refused', 'denied', {
        ...(principal === undefined ? {} : { principal }),
        facts: summed === 0 ? { kind, clientId } : { kind, summed },
      }),
      ...(summed === 0 ? { beside: { subject } } : {}),
    }));
  };
