import { migrateSchema } from '@keymesh/postgres';
import { runTask } from '@keymesh/service-kit/task';
import { readDatabaseConfig } from './config.js';
import { MIGRATIONS } from './migrations/index.js';

await runTask('rotation migrate', async () => {
  const { database } = readDatabaseConfig();
  await migrateSchema({
    ...database,
    schema: 'rotation',
    role: 'keymesh_rotation',
    migrations: MIGRATIONS,
  });
});
