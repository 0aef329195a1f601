import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Keys of principals for a while, by identity rules. Lost, they are opened again. */
export class Sessions1795651220004 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE policy.session (
        nkey text PRIMARY KEY,
        channel_key text NOT NULL UNIQUE,
        principal text NOT NULL,
        rule_id text NOT NULL,
        opened_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        certificate jsonb
      );
      CREATE INDEX session_of_principal ON policy.session (principal);
      CREATE INDEX session_expiry ON policy.session (expires_at);`);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations are forward-only'));
  }
}
