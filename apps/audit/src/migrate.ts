import { migrateSchema } from '@keymesh/postgres';
import { runTask } from '@keymesh/service-kit/task';
import { readMigrateConfig } from './config.js';
import { APPEND_ONLY_TABLES, MIGRATIONS } from './migrations/index.js';

// Deploy time, as the deploy role: brings the schema up to date and grants the service its rows. Idempotent.
await runTask('audit-migrate', async (logger) => {
  const { database } = readMigrateConfig();
  await migrateSchema({
    ...database,
    schema: 'audit',
    role: 'keymesh_audit',
    migrations: MIGRATIONS,
    appendOnlyTables: APPEND_ONLY_TABLES,
  });
  logger.info('the schema audit is up to date');
});
