import type { MigrationInterface, QueryRunner } from 'typeorm';

/** One row for each restore that this mesh has been through; none: it was never restored. Kept in every backup. */
export class RestoreEpoch1795651200003 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE vault.restore_epoch (
        epoch int PRIMARY KEY CHECK (epoch > 0),
        -- Of the restore: one that was interrupted finds by it that it was done.
        restore_id uuid NOT NULL UNIQUE,
        backup_id uuid NOT NULL,
        backup_created_at timestamptz NOT NULL,
        -- What was known of the time after the backup: the former database, an audit log, or nothing.
        later_records text NOT NULL CHECK (later_records IN ('database', 'audit-log', 'none')),
        restored_at timestamptz NOT NULL
      )`);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations of the vault go forward only'));
  }
}
