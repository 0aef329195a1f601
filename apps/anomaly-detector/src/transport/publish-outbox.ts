import { encodeBeside, publishEvent } from '@keymesh/mesh';
import type { OutboxEntry } from '@keymesh/postgres';
import type { ServiceKit } from '@keymesh/service-kit';

/** Carries one committed entry to the bus: records to the journal, alerts (signed) to their stream. Safe to repeat. */
export const makePublishOutbox =
  ({ journal, connection, signingKey }: Pick<ServiceKit, 'journal' | 'connection' | 'signingKey'>) =>
  (entry: OutboxEntry): Promise<void> =>
    entry.kind === 'journal'
      ? journal.publishRaw(entry.payload, encodeBeside(entry.beside))
      : publishEvent(connection, entry.subject, entry.id, entry.payload, { signingKey });
