import { channelKeyMigration, idempotencyMigration, outboxMigration } from '@keymesh/postgres';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The schema `vault`. Forward-only; run by the deploy role. */
export class CreateVault1795305600000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(KEYS);
    await runner.query(CREDENTIALS);
    await runner.query(CHANGES);
    await runner.query(outboxMigration('vault'));
    await runner.query(idempotencyMigration('vault'));
    await runner.query(channelKeyMigration('vault'));
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations of the vault go forward only'));
  }
}

// Every key is wrapped: by the KMS (system keys, KEKs), by its KEK (DEKs). provider and provider_key_id say by which KMS key.
const KEYS = `
  CREATE TABLE vault.system_key (
    purpose text PRIMARY KEY CHECK (purpose IN ('mesh', 'integrity')),
    public_key text,
    provider text NOT NULL,
    provider_key_id text NOT NULL,
    wrapped bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
  );
  CREATE TABLE vault.namespace (
    namespace_id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
  );
  CREATE TABLE vault.namespace_kek (
    kek_id uuid PRIMARY KEY,
    namespace_id uuid NOT NULL REFERENCES vault.namespace,
    version int NOT NULL CHECK (version >= 1),
    active boolean NOT NULL,
    provider text NOT NULL,
    provider_key_id text NOT NULL,
    wrapped bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (namespace_id, version)
  );
  CREATE UNIQUE INDEX namespace_kek_active ON vault.namespace_kek (namespace_id) WHERE active;
  CREATE TABLE vault.bundle_floor (
    id smallint PRIMARY KEY CHECK (id = 1),
    version int NOT NULL,
    bundle bytea NOT NULL,
    accepted_at timestamptz NOT NULL DEFAULT now()
  );`;

// changed_xid: the transaction that changed the row last; instances read what changed by it (store/metadata-index.ts).
// row_mac: HMAC over what policy, stage and the read path look at (domain/row-mac.ts).
const CREDENTIALS = `
  CREATE SEQUENCE vault.revision;
  CREATE TABLE vault.credential (
    credential_id uuid PRIMARY KEY,
    namespace_id uuid NOT NULL REFERENCES vault.namespace,
    namespace text NOT NULL,
    name text NOT NULL,
    type text NOT NULL,
    provider text,
    description text,
    tags text[] NOT NULL,
    owner text NOT NULL,
    rotation jsonb,
    expires_at timestamptz,
    current_version int NOT NULL,
    previous_version int,
    pending_version int,
    last_version int NOT NULL,
    version_created_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    revision bigint NOT NULL UNIQUE,
    row_mac bytea NOT NULL,
    changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id()
  );
  CREATE UNIQUE INDEX credential_live_name ON vault.credential (name) WHERE deleted_at IS NULL;
  CREATE INDEX credential_changed ON vault.credential (changed_xid);
  CREATE TABLE vault.credential_version (
    credential_id uuid NOT NULL REFERENCES vault.credential,
    version int NOT NULL CHECK (version >= 1),
    stage text NOT NULL CHECK (stage IN ('pending', 'current', 'previous', 'revoked')),
    dek_id uuid NOT NULL UNIQUE,
    kek_id uuid NOT NULL REFERENCES vault.namespace_kek,
    kek_version int NOT NULL,
    wrapped_dek bytea NOT NULL,
    ciphertext bytea NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    rotation_id uuid,
    revision bigint NOT NULL,
    row_mac bytea NOT NULL,
    PRIMARY KEY (credential_id, version)
  );
  CREATE UNIQUE INDEX credential_version_current ON vault.credential_version (credential_id) WHERE stage = 'current';
  CREATE UNIQUE INDEX credential_version_pending ON vault.credential_version (credential_id) WHERE stage = 'pending';
  CREATE UNIQUE INDEX credential_version_rotation ON vault.credential_version (credential_id, rotation_id)
    WHERE rotation_id IS NOT NULL;`;

// Coherence does not depend on who writes: any change of a credential or of one of its versions, also by hand, marks the credential
// as changed, so that every instance reads it again. Rows are never removed: numbers and ids are never used again.
const CHANGES = `
  CREATE FUNCTION vault.mark_credential() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    NEW.changed_xid := pg_current_xact_id();
    RETURN NEW;
  END $$;
  CREATE TRIGGER mark_credential BEFORE INSERT OR UPDATE ON vault.credential
    FOR EACH ROW EXECUTE FUNCTION vault.mark_credential();
  CREATE FUNCTION vault.mark_credential_of_version() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    UPDATE vault.credential SET changed_xid = pg_current_xact_id()
    WHERE credential_id IN (OLD.credential_id, NEW.credential_id) AND changed_xid <> pg_current_xact_id();
    RETURN NULL;
  END $$;
  CREATE TRIGGER mark_credential_of_version AFTER UPDATE ON vault.credential_version
    FOR EACH ROW EXECUTE FUNCTION vault.mark_credential_of_version();
  CREATE FUNCTION vault.keep_rows() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    RAISE EXCEPTION 'rows of % are kept', TG_TABLE_NAME USING ERRCODE = 'raise_exception';
  END $$;
  CREATE TRIGGER keep_rows BEFORE DELETE ON vault.credential FOR EACH ROW EXECUTE FUNCTION vault.keep_rows();
  CREATE TRIGGER keep_rows BEFORE DELETE ON vault.credential_version FOR EACH ROW EXECUTE FUNCTION vault.keep_rows();`;
