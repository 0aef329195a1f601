import { createReadStream, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { failure } from '@keymesh/contracts';
import { signingKeyOf, utf8 } from '@keymesh/kernel';
import { makeDataSource } from '@keymesh/postgres';
import { runTask } from '@keymesh/service-kit/task';
import { noteVerifierOf } from '@keymesh/transparency-log';
import { readFsckConfig } from './config.js';
import { continueLedger } from './operations/continue-ledger.js';

// `node continue.js <log.jsonl> <checkpoint.txt>`: a step of a restore, before anything runs. Continues the restored ledger by what was kept
// elsewhere. May be repeated. Prints one JSON value.
await runTask('audit-continue', async () => {
  const { database, checkpointSeed, logOrigin } = readFsckConfig();
  const [log, checkpoint] = process.argv.slice(2);
  if (log === undefined || checkpoint === undefined)
    throw failure('USAGE', {
      publicMessage: 'Name the exported audit log and the checkpoint that was kept.',
    });
  const dataSource = makeDataSource({
    ...database,
    schema: 'audit',
    applicationName: 'keymesh-restore',
    poolSize: 1,
    statementTimeoutMs: 0,
  });
  await dataSource.initialize();
  try {
    const leaves = async function* (): AsyncGenerator<Uint8Array> {
      // Not before: lines that come while nobody iterates are lost.
      const lines = createInterface({ input: createReadStream(log), crlfDelay: Infinity });
      for await (const line of lines) if (line !== '') yield utf8(line);
    };
    const continued = await continueLedger(dataSource, {
      leaves: leaves(),
      checkpoint: readFileSync(checkpoint, 'utf8'),
      verifier: noteVerifierOf(logOrigin, signingKeyOf(checkpointSeed).publicKeyText),
    });
    process.stdout.write(`${JSON.stringify(continued)}\n`);
  } finally {
    await dataSource.destroy();
  }
});
