import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Key jobs, destroyed KEKs and the vault's lock. Forward-only; run by the deploy role. */
export class KeyJobs1795651200001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(JOBS);
    await runner.query(KEKS);
    await runner.query(LOCK);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations of the vault go forward only'));
  }
}

// cursor_*: the last row that is done, in the same transaction as the row itself: a batch that is not committed is done again, by anybody.
const JOBS = `
  CREATE TABLE vault.key_job (
    job_id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('rewrap', 'reencrypt', 'rewrap-root')),
    namespace_id uuid REFERENCES vault.namespace,
    credential_id uuid REFERENCES vault.credential,
    state text NOT NULL CHECK (state IN ('running', 'completed', 'cancelled', 'failed')),
    cursor_id uuid,
    cursor_version int,
    done int NOT NULL,
    total int NOT NULL,
    damaged int NOT NULL,
    started_by text NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    error text,
    CHECK ((namespace_id IS NULL) = (kind = 'rewrap-root'))
  );
  CREATE UNIQUE INDEX key_job_running ON vault.key_job (coalesce(namespace_id, '00000000-0000-0000-0000-000000000000'::uuid))
    WHERE state = 'running';
  CREATE INDEX key_job_started ON vault.key_job (started_at);`;

// INVARIANT: no row names a KEK that is destroyed, whoever writes it. The trigger waits for a transaction that is destroying the KEK, and
// the destroyer's lock on the KEK waits for every row that is being written under it: neither can miss the other.
const KEKS = `
  ALTER TABLE vault.namespace_kek ADD COLUMN destroyed_at timestamptz;
  ALTER TABLE vault.namespace_kek ADD CONSTRAINT namespace_kek_destroyed_is_retired CHECK (destroyed_at IS NULL OR NOT active);
  CREATE FUNCTION vault.require_living_kek() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM 1 FROM vault.namespace_kek WHERE kek_id = NEW.kek_id AND destroyed_at IS NULL FOR KEY SHARE;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'the KEK of this version is destroyed' USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER require_living_kek BEFORE INSERT OR UPDATE OF kek_id ON vault.credential_version
    FOR EACH ROW WHEN (NEW.destroyed_at IS NULL) EXECUTE FUNCTION vault.require_living_kek();
  CREATE TRIGGER keep_rows BEFORE DELETE ON vault.namespace_kek FOR EACH ROW EXECUTE FUNCTION vault.keep_rows();`;

// One row for all instances. Absent until the vault is locked for the first time; never removed afterwards.
const LOCK = `
  CREATE TABLE vault.lock_state (
    id smallint PRIMARY KEY CHECK (id = 1),
    locked boolean NOT NULL,
    revision int NOT NULL,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    row_mac bytea NOT NULL
  );
  CREATE TRIGGER keep_rows BEFORE DELETE ON vault.lock_state FOR EACH ROW EXECUTE FUNCTION vault.keep_rows();`;
