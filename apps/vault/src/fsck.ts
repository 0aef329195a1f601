import { systemClock } from '@keymesh/kernel';
import { makeDataSource } from '@keymesh/postgres';
import { runTask } from '@keymesh/service-kit';
import { readInitConfig } from './config.js';
import { makeRowSeal } from './domain/row-mac.js';
import { openKms } from './kms/index.js';
import { makeKeyring } from './kms/keyring.js';
import { makeValueVault } from './kms/value-vault.js';
import { vaultEntities } from './store/entities/index.js';
import { makeKekStore } from './store/kek-store.js';
import { openSystemKey } from './store/system-keys.js';
import { verifyRows } from './store/verify-rows.js';

// Opens every row and value with the vault's environment, beside the running vault if it runs. Prints ids and rules as JSON, never a
// name or value; exit code 1 when something does not hold.
await runTask('vault-fsck', async () => {
  const config = readInitConfig();
  const dataSource = makeDataSource({
    ...config.database,
    schema: 'vault',
    entities: vaultEntities,
    applicationName: 'keymesh-vault-fsck',
    poolSize: 2,
    statementTimeoutMs: 0,
  });
  await dataSource.initialize();
  try {
    const kms = await openKms(config.kms);
    using integrityKey = await openSystemKey(dataSource, kms, 'integrity');
    const values = makeValueVault(makeKeyring({ kms, store: makeKekStore(dataSource), clock: systemClock }));
    const problems = await verifyRows({ dataSource, seal: makeRowSeal(integrityKey), values });
    process.stdout.write(`${JSON.stringify({ ok: problems.length === 0, problems })}\n`);
    if (problems.length > 0) process.exitCode = 1;
  } finally {
    await dataSource.destroy();
  }
});
