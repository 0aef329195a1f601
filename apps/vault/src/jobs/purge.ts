import { MINUTE } from '@keymesh/kernel';
import { announceRecord } from '../domain/announcements.js';
import { restorableUntilMs } from '../domain/credential.js';
import { purgeCredential } from '../domain/destruction.js';
import type { SystemRecorder } from '../domain/system-record.js';
import type { Mutations } from '../domain/mutations.js';
import type { DeletedCredentials } from '../domain/ports.js';
import { callOfVault, lifecycleRecord } from '../domain/lifecycle-record.js';

/** Credentials looked up at a time; each is purged in a transaction of its own. */
const BATCH = 100;
const LOOK_EVERY_MS = MINUTE;

export interface PurgePorts extends SystemRecorder {
  readonly deleted: Pick<DeletedCredentials, 'listOverdue'>;
  readonly mutations: Mutations;
  readonly pokeOutbox: () => void;
  /** One that could not be purged, e.g. because its row is damaged; the others go on. */
  readonly onFailure: (credentialId: string, error: unknown) => void;
}

/**
 * Destroys all versions of deleted credentials whose recovery window is over, each with its audit record in one transaction.
 * @returns one round: resolves to the time of the next. Rejects with STORE_UNAVAILABLE.
 */
export function makePurgeRound(ports: PurgePorts): () => Promise<number> {
  return async () => {
    const ids = await ports.deleted.listOverdue(ports.clock.now(), BATCH);
    let purged = 0;
    for (const credentialId of ids) {
      try {
        if (await purgeOne(ports, credentialId)) purged += 1;
      } catch (error) {
        ports.onFailure(credentialId, error);
      }
    }
    if (purged > 0) ports.pokeOutbox();
    // A full batch that got somewhere leaves more to do.
    return ports.clock.now() + (ids.length === BATCH && purged > 0 ? 0 : LOOK_EVERY_MS);
  };
}

/** @returns whether it was this instance that did it. */
async function purgeOne(ports: PurgePorts, credentialId: string): Promise<boolean> {
  const { clock } = ports;
  const { isDone } = await ports.mutations.run(callOfVault(ports.clock), async (transaction) => {
    const isOurs = await transaction.holdJob(`purge/${credentialId}`);
    const deleted = isOurs ? await transaction.lockDeleted(credentialId) : undefined;
    const until = deleted === undefined ? null : restorableUntilMs(deleted);
    // It may have been restored or purged since it was looked up.
    if (deleted === undefined || until === null || clock.now() < until) return { reply: { isDone: false } };
    const change = { nowMs: clock.now(), revision: await transaction.nextRevision() };
    const { purged, destroyed } = await purgeCredential(transaction, deleted, change);
    await announceRecord(
      transaction,
      lifecycleRecord(ports, 'credential.purged', purged, { versions: destroyed }),
    );
    return { reply: { isDone: true } };
  });
  return isDone;
}
