import { systemClock } from '@keymesh/kernel';
import { makeDataSource } from '@keymesh/postgres';
import { runTask } from '@keymesh/service-kit/task';
import { readInitConfig } from './config.js';
import { makeRowSeal } from './domain/row-mac.js';
import { openKms } from './kms/index.js';
import { makeKeyring } from './kms/keyring.js';
import { makeDiagnose } from './kms/rekey.js';
import { makeValueVault } from './kms/value-vault.js';
import { vaultEntities } from './store/entities/index.js';
import { makeKekStore } from './store/kek-store.js';
import type { RowProblem } from './store/row-problem.js';
import { openSystemKey } from './store/system-keys.js';
import { scanKeys } from './store/verify-keys.js';
import { scanRows } from './store/verify-rows.js';

// Opens every key, row and value with the vault's environment, beside the running vault if it runs, locked or not. Prints a JSON line for each
// problem as it is found (ids and rules, never a name or value), then one for the whole; exit code 1 when something does not hold.
await runTask('vault-fsck', async () => {
  const config = readInitConfig();
  const dataSource = makeDataSource({
    ...config.database,
    schema: 'vault',
    entities: vaultEntities,
    applicationName: 'keymesh-vault-fsck',
    poolSize: 3,
    statementTimeoutMs: 0,
  });
  await dataSource.initialize();
  const seen = { keks: 0, credentials: 0, versions: 0, problems: 0 };
  const report = async (problems: AsyncIterable<RowProblem>): Promise<void> => {
    for await (const problem of problems) {
      seen.problems += 1;
      process.stdout.write(`${JSON.stringify(problem)}\n`);
    }
  };
  try {
    const kms = await openKms(config.kms);
    using integrityKey = await openSystemKey(dataSource, kms, 'integrity');
    const keyring = makeKeyring({ kms, store: makeKekStore(dataSource), clock: systemClock });
    await report(scanKeys({ dataSource, kms, keyring, onKek: () => void (seen.keks += 1) }));
    await report(
      scanRows({
        dataSource,
        seal: makeRowSeal(integrityKey),
        values: makeValueVault(keyring),
        diagnose: makeDiagnose(keyring),
        onPage(credentials, versions) {
          seen.credentials += credentials;
          seen.versions += versions;
        },
      }),
    );
    process.stdout.write(`${JSON.stringify({ ok: seen.problems === 0, ...seen })}\n`);
    if (seen.problems > 0) process.exitCode = 1;
  } finally {
    await dataSource.destroy();
  }
});
