import { migrateSchema } from '@keymesh/postgres';
import { runTask } from '@keymesh/service-kit/task';
import { readDatabaseConfig } from './config.js';
import { MIGRATIONS } from './migrations/index.js';

await runTask('anomaly-detector migrate', async () => {
  const { database } = readDatabaseConfig();
  await migrateSchema({
    ...database,
    schema: 'anomaly_detector',
    role: 'keymesh_anomaly_detector',
    migrations: MIGRATIONS,
  });
});
