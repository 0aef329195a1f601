import type { Clock } from '@keymesh/kernel';
import { inStore, transact } from '@keymesh/postgres';
import type { DataSource } from 'typeorm';
import type { AuditEntry, Record } from '../domain/ports.js';
import type { RememberedConnection } from '../operations/admit-connection.js';
import { insertRecords } from './audit-outbox.js';

/** Connections remembered for one principal; what is beyond is still found by asking the server. */
const KEPT_PER_PRINCIPAL = 200;
const KEPT_IN_MEMORY = 5_000;

export type ConnectionPlace = Pick<RememberedConnection, 'serverId' | 'clientId' | 'nkey'>;

export interface ConnectionStore {
  /** Never throws. */
  remember(connection: RememberedConnection, entry: AuditEntry): Promise<void>;
  /** Never throws: with Postgres away, what this instance remembers. */
  find(principal: string): Promise<readonly ConnectionPlace[]>;
  forget(places: readonly ConnectionPlace[]): Promise<void>;
  prune(): Promise<void>;
}

export interface ConnectionStoreOptions {
  readonly dataSource: DataSource;
  /** The way to the journal for when Postgres is away. */
  readonly record: Record;
  readonly clock: Clock;
  readonly onCommitted: () => void;
  readonly onLost: (error: unknown) => void;
}

/** Remembers who is connected where, so that connections can be cut, also after a restart. */
export function makeConnectionStore(options: ConnectionStoreOptions): ConnectionStore {
  const { dataSource, record, clock, onCommitted, onLost } = options;
  // Only those that Postgres did not take.
  const inMemory: RememberedConnection[] = [];

  return {
    async remember(connection, entry) {
      try {
        await insert(dataSource, connection, entry);
        onCommitted();
      } catch (error) {
        onLost(error);
        inMemory.push(connection);
        inMemory.splice(0, inMemory.length - KEPT_IN_MEMORY);
        // Who reads a value is recorded before it is given, whatever happens here; so a connection may be without.
        await record(entry).catch(onLost);
      }
    },
    async find(principal) {
      const stored = await find(dataSource, principal).catch((error: unknown) => {
        onLost(error);
        return [];
      });
      return [...stored, ...inMemory.filter((connection) => connection.principal === principal)];
    },
    forget: (places) => forget(dataSource, places).catch(onLost),
    prune: () => prune(dataSource, clock.now()),
  };
}

async function insert(
  dataSource: DataSource,
  connection: RememberedConnection,
  entry: AuditEntry,
): Promise<void> {
  await transact(dataSource, async (manager) => {
    await manager.query(
      `INSERT INTO connection (server_id, client_id, principal, expires_at, nkey) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (server_id, client_id) DO UPDATE SET principal = $3, opened_at = now(), expires_at = $4, nkey = $5`,
      [
        connection.serverId,
        connection.clientId,
        connection.principal,
        new Date(connection.expiresAtMs),
        connection.nkey ?? null,
      ],
    );
    await insertRecords(manager, [entry]);
  });
}

function find(dataSource: DataSource, principal: string): Promise<ConnectionPlace[]> {
  return inStore(async () => {
    const rows = await dataSource.query<{ server_id: string; client_id: string; nkey: string | null }[]>(
      'SELECT server_id, client_id, nkey FROM connection WHERE principal = $1 ORDER BY opened_at DESC LIMIT $2',
      [principal, KEPT_PER_PRINCIPAL],
    );
    return rows.map(({ server_id, client_id, nkey }) => ({
      serverId: server_id,
      clientId: Number(client_id),
      nkey: nkey ?? undefined,
    }));
  });
}

function forget(dataSource: DataSource, places: readonly ConnectionPlace[]): Promise<void> {
  return inStore(async () => {
    await dataSource.query(
      `DELETE FROM connection USING unnest($1::text[], $2::bigint[]) AS gone (server_id, client_id)
       WHERE connection.server_id = gone.server_id AND connection.client_id = gone.client_id`,
      [places.map(({ serverId }) => serverId), places.map(({ clientId }) => clientId)],
    );
  });
}

/** Forgets connections whose JWT has ended, and the oldest of a principal that has more than we keep. */
function prune(dataSource: DataSource, nowMs: number): Promise<void> {
  return inStore(async () => {
    await dataSource.query(
      `DELETE FROM connection WHERE expires_at < $1 OR (server_id, client_id) IN (
         SELECT server_id, client_id FROM (
           SELECT server_id, client_id, row_number() OVER (PARTITION BY principal ORDER BY opened_at DESC) AS newest
           FROM connection) AS ranked
         WHERE newest > $2)`,
      [new Date(nowMs), KEPT_PER_PRINCIPAL],
    );
  });
}
