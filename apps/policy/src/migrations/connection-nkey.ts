import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which nkey opened a connection, so that a removed one's can be cut and the others stay. Null: opened before this was kept. */
export class ConnectionNkey1795651210000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE policy.connection ADD COLUMN nkey text');
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations are forward-only'));
  }
}
