import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a request for approval would write, for whoever approves it. */
export class ApprovalContent1795651220008 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE policy.approval_request ADD COLUMN content text');
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations are forward-only'));
  }
}
