import { migrateSchema } from '@keymesh/postgres';
import { runTask } from '@keymesh/service-kit/task';
import { readMigrateConfig } from './config.js';
import { vaultMigrations } from './migrations/index.js';

// Deploy time, as the deploy role: brings the schema up to date and grants the service its rows. Idempotent.
await runTask('vault-migrate', async (logger) => {
  const { database } = readMigrateConfig();
  await migrateSchema({ ...database, schema: 'vault', role: 'keymesh_vault', migrations: vaultMigrations });
  logger.info('the schema vault is up to date');
});
