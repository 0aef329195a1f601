import { channelKeyMigration, idempotencyMigration, outboxMigration } from '@keymesh/postgres';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Statements, what was taken away, the bundles made of both, connections, and the tables that every service has. */
export class CreatePolicy1795305600000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- In the order in which they were accepted; the order is part of what they mean. Rows are never changed.
      CREATE TABLE policy.statement (
        sequence bigint PRIMARY KEY CHECK (sequence > 0),
        statement_id uuid NOT NULL UNIQUE,
        principal text NOT NULL,
        text text NOT NULL,
        accepted_at timestamptz NOT NULL DEFAULT now()
      );

      CREATE TABLE policy.taken (
        principal text NOT NULL,
        status text NOT NULL CHECK (status IN ('disabled', 'locked')),
        until timestamptz,
        reason text NOT NULL,
        PRIMARY KEY (principal, status)
      );

      CREATE TABLE policy.bundle (
        version integer PRIMARY KEY CHECK (version > 0),
        bytes bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
      );

      CREATE TABLE policy.connection (
        server_id text NOT NULL,
        client_id bigint NOT NULL,
        principal text NOT NULL,
        opened_at timestamptz NOT NULL DEFAULT now(),
        -- When its user JWT ends; the server then closes it.
        expires_at timestamptz NOT NULL,
        PRIMARY KEY (server_id, client_id)
      );
      CREATE INDEX connection_of_principal ON policy.connection (principal, opened_at DESC);
      CREATE INDEX connection_expiry ON policy.connection (expires_at);`);
    await runner.query(outboxMigration('policy'));
    await runner.query(idempotencyMigration('policy'));
    await runner.query(channelKeyMigration('policy'));
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations are forward-only'));
  }
}
