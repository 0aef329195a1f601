import { channelKeyHandoverMigration } from '@keymesh/postgres';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Channel keys leave the database (ADR 0023). */
export class ChannelKeyHandover1795651220009 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(channelKeyHandoverMigration('anomaly_detector'));
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations are forward-only'));
  }
}
