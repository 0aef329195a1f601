import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which notices of expiry have gone out. */
export class ExpiryNotices1795651200006 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(NOTICES);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations of the vault go forward only'));
  }
}

// One row for each notice that was given, in the transaction that gives it. Another expiry (a new version, another date) begins anew.
// days_before 0: it has expired.
const NOTICES = `
  CREATE TABLE vault.expiry_notice (
    credential_id uuid NOT NULL REFERENCES vault.credential,
    expires_at timestamptz NOT NULL,
    days_before int NOT NULL CHECK (days_before >= 0),
    given_at timestamptz NOT NULL,
    PRIMARY KEY (credential_id, expires_at, days_before)
  );`;
