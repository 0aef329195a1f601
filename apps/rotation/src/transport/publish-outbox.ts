import { encodeBeside, publishEvent, publishPush } from '@keymesh/mesh';
import type { OutboxEntry } from '@keymesh/postgres';
import type { ServiceKit } from '@keymesh/service-kit';

/** Carries one committed entry to the bus: records to the journal, pushes to their principal, events (signed) to their stream. */
export const makePublishOutbox =
  ({ journal, connection, signingKey }: Pick<ServiceKit, 'journal' | 'connection' | 'signingKey'>) =>
  (entry: OutboxEntry): Promise<void> => {
    const { kind, subject, id, payload } = entry;
    if (kind === 'journal') return journal.publishRaw(payload, encodeBeside(entry.beside));
    if (kind === 'push') return publishPush(connection, subject, payload);
    return publishEvent(connection, subject, id, payload, { signingKey });
  };
