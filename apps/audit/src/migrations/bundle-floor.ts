import { bundleFloorMigration } from '@keymesh/postgres';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The last accepted policy bundle, so that no restart takes an older one. */
export class BundleFloor1795651220005 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(bundleFloorMigration('audit'));
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations are forward-only'));
  }
}
