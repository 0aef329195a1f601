import { channelKeyHandoverMigration } from '@keymesh/postgres';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Channel keys leave the database (ADR 0023). */
export class ChannelKeyHandover1795651220007 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(channelKeyHandoverMigration('audit'));
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations are forward-only'));
  }
}
