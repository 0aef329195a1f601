import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Kill switches that were set. Rows are never changed or removed: an operator's statement makes one void. */
export class KillSwitches1795651220002 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE policy.kill_switch (
        kill_id uuid PRIMARY KEY,
        scope text NOT NULL CHECK (scope IN ('principal', 'role', 'namespace', 'everyone')),
        name text CHECK ((name IS NULL) = (scope = 'everyone')),
        reason text NOT NULL,
        since timestamptz NOT NULL,
        set_by text NOT NULL
      )`);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations are forward-only'));
  }
}
