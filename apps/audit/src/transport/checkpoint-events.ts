import { EVENTS } from '@keymesh/contracts';
import { fromUtf8, utf8, type Clock } from '@keymesh/kernel';
import type { MeshConnection } from '@keymesh/mesh';
import type { OutboxEntry } from '@keymesh/postgres';
import { openNote, parseCheckpoint, type Checkpoint, type NoteVerifier } from '@keymesh/transparency-log';
import { v7 as uuidv7 } from 'uuid';
import type { StoredCheckpoint } from '../store/checkpoints.js';
import { readStoredMessage } from './jetstream-api.js';

const { subject, schema } = EVENTS.checkpointSigned;

/**
 * The newest checkpoint in the stream EVENTS: a copy outside the ledger's database, so that a ledger restored from an older backup cannot
 * sign another history. The stream keeps it for a week. @returns undefined for none, or one that our key has not signed.
 */
export async function readPublishedCheckpoint(
  connection: MeshConnection,
  verifier: NoteVerifier,
): Promise<Checkpoint | undefined> {
  const message = await readStoredMessage(connection, 'EVENTS', { last_by_subj: subject });
  if (message === undefined) return undefined;
  const event = schema.safeParse(parseJson(message.data));
  const opened = event.success ? openNote(event.data.checkpoint, verifier) : undefined;
  const checkpoint = opened?.ok === true ? parseCheckpoint(opened.text) : undefined;
  return checkpoint?.origin === verifier.name ? checkpoint : undefined;
}

/** The event that tells of a signed checkpoint. */
export function checkpointEvent(
  checkpoint: StoredCheckpoint,
  verifierKey: string,
  clock: Clock,
): OutboxEntry {
  const eventId = uuidv7({ msecs: clock.now() });
  const event = {
    eventId,
    occurredAt: new Date(clock.now()).toISOString(),
    size: checkpoint.size,
    checkpoint: checkpoint.note,
    verifierKey,
  };
  return { kind: 'event', id: eventId, subject, payload: Buffer.from(utf8(JSON.stringify(event))) };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(bytes));
  } catch {
    return undefined;
  }
}
