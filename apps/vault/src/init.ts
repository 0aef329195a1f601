import { makeDataSource } from '@keymesh/postgres';
import { runTask } from '@keymesh/service-kit/task';
import { readInitConfig } from './config.js';
import { initialise } from './initialise.js';
import { openKms } from './kms/index.js';
import { vaultEntities } from './store/entities/index.js';

// Once for each mesh, with the vault's environment, after migrate.js: makes the vault's own keys if they are not there. Idempotent.
await runTask('vault-init', async () => {
  const config = readInitConfig();
  const dataSource = makeDataSource({
    ...config.database,
    schema: 'vault',
    entities: vaultEntities,
    applicationName: 'keymesh-vault-init',
    poolSize: 2,
  });
  try {
    const meshPublicKey = await initialise(dataSource, await openKms(config.kms));
    process.stdout.write(`${JSON.stringify({ meshPublicKey })}\n`);
  } finally {
    if (dataSource.isInitialized) await dataSource.destroy();
  }
});
