import { channelKeyMigration, idempotencyMigration, outboxMigration } from '@keymesh/postgres';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Workflows, who holds which version, and the tables that every service has. No column can hold a credential's value. */
export class CreateRotation1795305600000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE rotation.workflow (
        rotation_id uuid PRIMARY KEY,
        credential_id uuid NOT NULL,
        adapter text NOT NULL,
        settings jsonb NOT NULL,
        from_version integer NOT NULL,
        version integer,
        state text NOT NULL CHECK (state IN ('create', 'set', 'test', 'finish', 'rollback', 'done', 'failed')),
        provider_touched boolean NOT NULL DEFAULT false,
        attempts integer NOT NULL DEFAULT 0,
        reason text,
        failed_step text,
        rollback_reason text,
        started_by text NOT NULL,
        session text,
        request_id text,
        traceparent text,
        decision jsonb,
        due_at timestamptz NOT NULL DEFAULT now(),
        lease uuid,
        lease_until timestamptz,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL
      );
      CREATE UNIQUE INDEX workflow_one_open ON rotation.workflow (credential_id) WHERE state NOT IN ('done', 'failed');
      CREATE INDEX workflow_due ON rotation.workflow (due_at) WHERE state NOT IN ('done', 'failed');
      CREATE INDEX workflow_of_credential ON rotation.workflow (credential_id, created_at DESC);
      CREATE INDEX workflow_newest ON rotation.workflow (created_at DESC);

      CREATE TABLE rotation.holder (
        credential_id uuid NOT NULL,
        principal text NOT NULL,
        session text NOT NULL,
        version integer NOT NULL,
        last_seen timestamptz NOT NULL,
        PRIMARY KEY (credential_id, principal, session)
      );
      CREATE INDEX holder_last_seen ON rotation.holder (last_seen);

      CREATE TABLE rotation.processed_event (
        event_id uuid PRIMARY KEY,
        processed_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE INDEX processed_event_at ON rotation.processed_event (processed_at);`);
    await runner.query(outboxMigration('rotation'));
    await runner.query(idempotencyMigration('rotation'));
    await runner.query(channelKeyMigration('rotation'));
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations are forward-only'));
  }
}
