import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Requests for approval with what was approved of them, and what was said about openings of break-glass. */
export class Approvals1795651220001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE policy.approval_request (
        approval_id uuid PRIMARY KEY,
        request jsonb NOT NULL,
        attributes jsonb NOT NULL,
        request_digest text NOT NULL,
        reason text NOT NULL,
        asked_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        -- Rejected or cancelled: how, by whom, why. Null: neither.
        ended jsonb,
        -- Signed texts, one for each approver; in the bundle until the request ends or expires.
        approvals text[] NOT NULL DEFAULT '{}'
      );
      CREATE INDEX approval_request_expiry ON policy.approval_request (expires_at);

      -- Free texts of people: not in statements, which everybody gets and nobody can erase.
      CREATE TABLE policy.break_glass_note (
        opening_id uuid PRIMARY KEY,
        reason text,
        finding text
      )`);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations are forward-only'));
  }
}
