import { channelKeyMigration, outboxMigration } from '@keymesh/postgres';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Tables of which the service may neither change nor remove rows. */
export const APPEND_ONLY_TABLES = ['entry', 'checkpoint'] as const;

/** The ledger, its tree, what was published of it, and the tables that every service has. */
export class CreateAudit1795305600000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(LEDGER);
    await runner.query(TREE);
    await runner.query(JOURNAL);
    await runner.query(outboxMigration('audit'));
    await runner.query(channelKeyMigration('audit'));
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations are forward-only'));
  }
}

// The leaf is evidence, the columns after it are for search. Names stand in `beside`, where they can be erased.
const LEDGER = `
  CREATE TABLE audit.entry (
    log_index bigint PRIMARY KEY,
    leaf bytea NOT NULL CHECK (octet_length(leaf) <= 65535),
    leaf_hash bytea NOT NULL CHECK (octet_length(leaf_hash) = 32),
    event_id uuid NOT NULL,
    journal_sequence bigint NOT NULL,
    type text NOT NULL,
    occurred_at timestamptz NOT NULL,
    principal text,
    resource_id text,
    trace_id text,
    CONSTRAINT entry_event UNIQUE (event_id)
  );
  CREATE INDEX entry_occurred ON audit.entry USING brin (occurred_at) WITH (autosummarize = on);
  CREATE INDEX entry_principal ON audit.entry (principal, log_index);
  CREATE INDEX entry_resource ON audit.entry (resource_id, log_index) WHERE resource_id IS NOT NULL;
  CREATE INDEX entry_trace ON audit.entry (trace_id) WHERE trace_id IS NOT NULL;

  CREATE TABLE audit.beside (
    log_index bigint PRIMARY KEY,
    readable jsonb NOT NULL
  );

  CREATE TABLE audit.repeat (
    event_id uuid NOT NULL,
    journal_sequence bigint NOT NULL,
    PRIMARY KEY (event_id, journal_sequence)
  );`;

// Tiles of level 0 only when they are full: before, their hashes are read from the entries, which saves writing them again and again.
// One row each: the committed tree head with how far JOURNAL is in it, and how far the feed has gone.
const TREE = `
  CREATE TABLE audit.tile (
    level smallint NOT NULL,
    tile_index bigint NOT NULL,
    hashes bytea NOT NULL,
    PRIMARY KEY (level, tile_index)
  );
  ALTER TABLE audit.tile ALTER COLUMN hashes SET STORAGE EXTERNAL;

  CREATE TABLE audit.tree_head (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    size bigint NOT NULL,
    root bytea NOT NULL,
    journal_sequence bigint NOT NULL,
    journal_stored_at timestamptz,
    journal_created text,
    updated_at timestamptz NOT NULL DEFAULT now()
  );
  INSERT INTO audit.tree_head (size, root, journal_sequence) VALUES (0, sha256(''), 0);

  CREATE TABLE audit.checkpoint (
    size bigint PRIMARY KEY,
    root bytea NOT NULL,
    note text NOT NULL,
    signed_at timestamptz NOT NULL DEFAULT now()
  );

  CREATE TABLE audit.feed_position (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    next_index bigint NOT NULL,
    stream_sequence bigint NOT NULL
  );
  INSERT INTO audit.feed_position (next_index, stream_sequence) VALUES (0, 0);`;

const JOURNAL = `
  CREATE TABLE audit.pack_chain (
    service text NOT NULL,
    instance text NOT NULL,
    sequence bigint NOT NULL,
    pack_hash text NOT NULL,
    ended boolean NOT NULL,
    silent boolean NOT NULL DEFAULT false,
    stored_at timestamptz NOT NULL,
    PRIMARY KEY (service, instance)
  );

  CREATE TABLE audit.incident (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    service text NOT NULL,
    instance text NOT NULL,
    journal_sequence bigint NOT NULL,
    observed bigint NOT NULL,
    expected bigint NOT NULL,
    found_at timestamptz NOT NULL DEFAULT now()
  );`;
