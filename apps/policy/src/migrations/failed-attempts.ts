import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Failures of enrolment tokens, by the nkey that the token's bearer proved. */
export class FailedAttempts1795651220003 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE policy.failed_attempt (
        key text PRIMARY KEY,
        failures integer NOT NULL CHECK (failures > 0),
        failed_at timestamptz NOT NULL,
        locked_until timestamptz NOT NULL
      )`);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations are forward-only'));
  }
}
