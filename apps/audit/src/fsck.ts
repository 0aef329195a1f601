import { signingKeyOf } from '@keymesh/kernel';
import { makeDataSource } from '@keymesh/postgres';
import { runTask } from '@keymesh/service-kit/task';
import { noteVerifierOf } from '@keymesh/transparency-log';
import { readFsckConfig } from './config.js';
import { fsckLedger } from './operations/fsck-ledger.js';

// Recomputes the whole ledger from its rows, beside the running service if it runs. Prints a JSON summary; exit code 1 for a problem.
await runTask('audit-fsck', async () => {
  const { database, checkpointSeed, logOrigin } = readFsckConfig();
  const verifier = noteVerifierOf(logOrigin, signingKeyOf(checkpointSeed).publicKeyText);
  const dataSource = makeDataSource({
    ...database,
    schema: 'audit',
    applicationName: 'keymesh-audit-fsck',
    poolSize: 1,
    statementTimeoutMs: 0,
  });
  await dataSource.initialize();
  try {
    const result = await fsckLedger(dataSource, verifier);
    process.stdout.write(`${JSON.stringify(result)}\n`);
    if (!result.ok) process.exitCode = 1;
  } finally {
    await dataSource.destroy();
  }
});
