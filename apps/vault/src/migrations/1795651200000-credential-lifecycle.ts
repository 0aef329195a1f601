import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a credential goes through besides its versions: label, status, sensitivity, a recovery window after deletion, and destruction. */
export class CredentialLifecycle1795651200000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(CREDENTIAL);
    await runner.query(VERSION);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations of the vault go forward only'));
  }
}

const CREDENTIAL = `
  ALTER TABLE vault.credential
    ADD COLUMN label text,
    ADD COLUMN status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive')),
    ADD COLUMN sensitivity text CHECK (sensitivity IN ('low', 'medium', 'high', 'critical')),
    ADD COLUMN strength_score int CHECK (strength_score BETWEEN 0 AND 100),
    ADD COLUMN recoverable_until timestamptz,
    ADD COLUMN purged_at timestamptz;
  CREATE INDEX credential_recoverable ON vault.credential (recoverable_until)
    WHERE deleted_at IS NOT NULL AND purged_at IS NULL;`;

// A destroyed version keeps its row, so that its number and DEK id are never used again; its bytes and fingerprint are gone.
const VERSION = `
  ALTER TABLE vault.credential_version
    ADD COLUMN strength_score int CHECK (strength_score BETWEEN 0 AND 100),
    ADD COLUMN fingerprint text,
    ADD COLUMN destroyed_at timestamptz,
    ADD CONSTRAINT destroyed_is_empty CHECK (
      destroyed_at IS NULL OR (length(ciphertext) = 0 AND length(wrapped_dek) = 0 AND fingerprint IS NULL));
  CREATE INDEX credential_version_fingerprint ON vault.credential_version (fingerprint) WHERE fingerprint IS NOT NULL;
  CREATE INDEX credential_version_kek ON vault.credential_version (kek_id) WHERE destroyed_at IS NULL;`;
