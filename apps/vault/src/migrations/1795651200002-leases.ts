import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Leases of issued values. Forward-only; run by the deploy role. */
export class Leases1795651200002 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(LEASES);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations of the vault go forward only'));
  }
}

// row_mac: HMAC over every column, so that a database writer can prolong no lease.
const LEASES = `
  CREATE TABLE vault.lease (
    lease_id uuid PRIMARY KEY,
    principal text NOT NULL,
    credential_id uuid NOT NULL REFERENCES vault.credential,
    version int NOT NULL,
    kind text NOT NULL CHECK (kind IN ('value', 'token')),
    issued_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    max_expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    ended_as text CHECK (ended_as IN ('revoked', 'expired')),
    row_mac bytea NOT NULL,
    CHECK ((ended_at IS NULL) = (ended_as IS NULL)),
    CHECK (expires_at <= max_expires_at)
  );
  CREATE INDEX lease_live_principal ON vault.lease (principal, expires_at) WHERE ended_at IS NULL;
  CREATE INDEX lease_live_credential ON vault.lease (credential_id) WHERE ended_at IS NULL;
  CREATE INDEX lease_live_expiry ON vault.lease (expires_at) WHERE ended_at IS NULL;
  CREATE INDEX lease_ended ON vault.lease (ended_at) WHERE ended_at IS NOT NULL;`;
