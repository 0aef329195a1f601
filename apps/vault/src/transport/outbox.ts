import type { SigningKey } from '@keymesh/kernel';
import { encodeBeside, publishEvent, type Journal, type MeshConnection } from '@keymesh/mesh';
import type { OutboxEntry } from '@keymesh/postgres';

/** Carries a committed entry to the bus: audit records into the journal, signed events into their stream. Safe to repeat. */
export const makePublish =
  (journal: Journal, connection: MeshConnection, signingKey: SigningKey) =>
  async ({ kind, id, subject, payload, beside }: OutboxEntry): Promise<void> => {
    switch (kind) {
      case 'journal':
        return journal.publishRaw(payload, beside === undefined ? undefined : encodeBeside(beside));
      case 'event':
        return publishEvent(connection, subject, id, payload, { signingKey });
      default:
        throw new Error(`the vault writes no outbox entries of kind ${kind}`);
    }
  };
