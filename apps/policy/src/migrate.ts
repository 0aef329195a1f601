import { migrateSchema } from '@keymesh/postgres';
import { runTask } from '@keymesh/service-kit/task';
import { readDatabaseConfig } from './config.js';
import { APPEND_ONLY_TABLES, MIGRATIONS } from './migrations/index.js';

await runTask('policy-migrate', async (logger) => {
  const { database } = readDatabaseConfig();
  await migrateSchema({
    ...database,
    schema: 'policy',
    role: 'keymesh_policy',
    migrations: MIGRATIONS,
    appendOnlyTables: APPEND_ONLY_TABLES,
  });
  logger.info({ schema: 'policy' }, 'migrated');
});
