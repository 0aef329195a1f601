import type { DataSource } from 'typeorm';
import { identifier } from './identifier.js';
import { inStore } from './transact.js';

/** Whoever can write here can ask as often as it likes; an instance answers so many at a time. */
const MOST_AT_ONCE = 100;

/**
 * DDL: private halves leave the table of channel keys, and instances that share no folder hand them over here, each sealed to a key that
 * its asker has in memory and forgets.
 */
export const channelKeyHandoverMigration = (schema: string): string => `
    ALTER TABLE ${identifier(schema)}.channel_key ALTER COLUMN sealed_private_key DROP NOT NULL;
    CREATE TABLE ${identifier(schema)}.channel_key_handover (
      key_id text NOT NULL REFERENCES ${identifier(schema)}.channel_key ON DELETE CASCADE,
      recipient text NOT NULL,
      answer bytea,
      asked_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (key_id, recipient)
    );`;

/** Where instances of a service ask each other for private halves of channel keys. */
export interface ChannelKeyHandovers {
  /** @param recipient X25519, base64url, of this question alone. Again, it changes nothing; for a key that is gone, too. */
  ask(keyId: string, recipient: string): Promise<void>;
  /** What nobody has answered, oldest first; a hundred at most. */
  unanswered(): Promise<readonly { readonly keyId: string; readonly recipient: string }[]>;
  /** Answers a question; the first answer counts. @param sealed libs/channel `handOver`. */
  answer(keyId: string, recipient: string, sealed: Uint8Array): Promise<void>;
  /** Takes the answer away. @returns undefined while there is none. */
  collect(keyId: string, recipient: string): Promise<Uint8Array | undefined>;
}

/** Handovers in the service's own schema. @throws STORE_UNAVAILABLE from each function when Postgres is away. */
export const makeChannelKeyHandovers = (dataSource: DataSource): ChannelKeyHandovers => ({
  ask: (keyId, recipient) =>
    inStore(async () => {
      await dataSource.query(
        `INSERT INTO channel_key_handover (key_id, recipient)
         SELECT key_id, $2 FROM channel_key WHERE key_id = $1 ON CONFLICT DO NOTHING`,
        [keyId, recipient],
      );
    }),
  unanswered: () =>
    inStore(async () => {
      const rows = await dataSource.query<{ key_id: string; recipient: string }[]>(
        'SELECT key_id, recipient FROM channel_key_handover WHERE answer IS NULL ORDER BY asked_at LIMIT $1',
        [MOST_AT_ONCE],
      );
      return rows.map(({ key_id: keyId, recipient }) => ({ keyId, recipient }));
    }),
  answer: (keyId, recipient, sealed) =>
    inStore(async () => {
      await dataSource.query(
        'UPDATE channel_key_handover SET answer = $3 WHERE key_id = $1 AND recipient = $2 AND answer IS NULL',
        [keyId, recipient, Buffer.from(sealed)],
      );
    }),
  collect: (keyId, recipient) =>
    inStore(async () => {
      const [rows] = await dataSource.query<[{ answer: Buffer }[], number]>(
        'DELETE FROM channel_key_handover WHERE key_id = $1 AND recipient = $2 AND answer IS NOT NULL RETURNING answer',
        [keyId, recipient],
      );
      return rows[0]?.answer;
    }),
});
