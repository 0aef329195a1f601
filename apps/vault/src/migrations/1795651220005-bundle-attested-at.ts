import type { MigrationInterface, QueryRunner } from 'typeorm';

/** When the policy service last vouched for the last accepted bundle. A mesh from before counts from its upgrade. */
export class BundleAttestedAt1795651220005 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      'ALTER TABLE vault.bundle_floor ADD COLUMN attested_at timestamptz NOT NULL DEFAULT now()',
    );
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations of the vault go forward only'));
  }
}
