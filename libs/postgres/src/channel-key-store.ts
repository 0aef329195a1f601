import type { DataSource } from 'typeorm';
import { identifier } from './identifier.js';
import { inStore } from './transact.js';

/** A channel key of the service as all its instances see it: certified in public. Its private half is kept elsewhere. */
export interface StoredChannelKey {
  readonly keyId: string;
  /** The mesh key's statement of the public half. */
  readonly statement: string;
  /** Only in rows of releases before 2026-11-26: the private half, sealed (libs/channel `sealWithStateKey`). Null since (ADR 0023). */
  readonly sealedPrivateKey: Buffer | null;
  /** End of its validity, milliseconds since the epoch. The row is destroyed after the overlap. */
  readonly notAfter: number;
}

/** DDL of the channel keys, for a service's first migration; {@link channelKeyHandoverMigration} goes on from it. */
export const channelKeyMigration = (schema: string): string => `
    CREATE TABLE ${identifier(schema)}.channel_key (
      key_id text PRIMARY KEY,
      statement text NOT NULL,
      sealed_private_key bytea NOT NULL,
      not_after bigint NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now()
    );`;

export interface ChannelKeyStore {
  /** Every key kept, newest first. */
  list(): Promise<StoredChannelKey[]>;
  /** Makes a key known to all instances; the same key id again changes nothing. */
  save(key: Omit<StoredChannelKey, 'sealedPrivateKey'>): Promise<void>;
  /** Destroys what ended before `notAfterMs`: from then on nobody can open what was sent under it. @returns how many. */
  destroyEndedBefore(notAfterMs: number): Promise<number>;
}

interface Row {
  readonly key_id: string;
  readonly statement: string;
  readonly sealed_private_key: Buffer | null;
  readonly not_after: string;
}

/** Channel keys in the service's own schema. @throws STORE_UNAVAILABLE from each function when Postgres is away. */
export const makeChannelKeyStore = (dataSource: DataSource): ChannelKeyStore => ({
  list: () =>
    inStore(async () => {
      const rows = await dataSource.query<Row[]>(
        'SELECT key_id, statement, sealed_private_key, not_after FROM channel_key ORDER BY not_after DESC',
      );
      return rows.map((row) => ({
        keyId: row.key_id,
        statement: row.statement,
        sealedPrivateKey: row.sealed_private_key,
        notAfter: Number(row.not_after),
      }));
    }),
  save: (key) =>
    inStore(async () => {
      await dataSource.query(
        'INSERT INTO channel_key (key_id, statement, not_after) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
        [key.keyId, key.statement, key.notAfter],
      );
    }),
  destroyEndedBefore: (notAfterMs) =>
    inStore(async () => {
      const [, count] = await dataSource.query<[unknown[], number]>(
        'DELETE FROM channel_key WHERE not_after < $1',
        [notAfterMs],
      );
      return count;
    }),
});
