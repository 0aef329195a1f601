import { mkdir, open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { failure } from '@keymesh/contracts';
import { systemClock } from '@keymesh/kernel';
import { makeDataSource } from '@keymesh/postgres';
import { runTask } from '@keymesh/service-kit/task';
import type { DataSource } from 'typeorm';
import { carryLedger } from './backup/carry-over.js';
import { readRestoreDatabase, readTargetConfig } from './backup/config.js';
import { finishRestore } from './backup/finish-restore.js';
import { laterFromAuditLog } from './backup/later-from-audit-log.js';
import { laterFromDatabase } from './backup/later-from-database.js';
import { NO_LATER_RECORDS, type LaterRecords } from './backup/later-records.js';
import { loadBackup } from './backup/load-backup.js';
import { restoreNamespace } from './backup/restore-namespace.js';
import { openTarget } from './backup/targets/target.js';
import { readBackup, type ReadBackupPorts } from './backup/verify-backup.js';
import { makeRowSeal, type RowSeal } from './domain/row-mac.js';
import { openKms } from './kms/index.js';
import type { Kms } from './kms/kms.js';
import { vaultEntities } from './store/entities/index.js';
import { openSystemKey } from './store/system-keys.js';

// The steps of a restore, run one after the other by the launcher (`keymesh backup restore`), with the vault's KMS and, from `load` on, the
// database that is being filled as the deploy role. Each may be repeated. Prints one JSON value.
//   open       checks the whole backup; writes its files into --files; tells the migrations that its tables need
//   load       fills the tables, in one transaction
//   finish     new epoch; applies what happened after the backup
//   namespace  puts the credentials of a namespace of a loaded backup back into a running mesh

const print = (value: object): void => void process.stdout.write(`${JSON.stringify(value)}\n`);

await runTask('vault-restore', async () => {
  const { positionals, values: options } = readArguments();
  const [step = '', which = 'latest', namespace = ''] = positionals;
  const config = readTargetConfig();
  const kms = await openKms(config.kms);
  const ports: ReadBackupPorts & { readonly kms: Kms } = {
    kms,
    target: await openTarget(config.target),
    meshPublicKey: options.mesh,
  };
  switch (step) {
    case 'open': {
      print(await openFiles(ports, which, options.files));
      return;
    }
    case 'load': {
      const { header, end } = await loadBackup(ports, which, readRestoreDatabase().database);
      print({ backupId: header.backupId, tables: end.tables, rows: end.rows });
      return;
    }
    case 'finish': {
      print(await finish(ports, which, options));
      return;
    }
    case 'namespace': {
      print(await intoNamespace(kms, namespace, options.into ?? namespace));
      return;
    }
    default:
      throw failure('USAGE', { publicMessage: 'Say which step: open, load, finish or namespace.' });
  }
});

/** @throws USAGE for what is no argument of this program. */
function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        files: { type: 'string' },
        mesh: { type: 'string' },
        'restore-id': { type: 'string' },
        'audit-log': { type: 'string' },
        'audit-checkpoint': { type: 'string' },
        'audit-key': { type: 'string' },
        'without-later-records': { type: 'boolean' },
        into: { type: 'string' },
      },
    });
  } catch (error) {
    throw failure('USAGE', { publicMessage: (error as Error).message, cause: error });
  }
}
type Options = ReturnType<typeof readArguments>['values'];

/** Reads the backup once to its end; its files are written as they come, and taken back when it does not hold. */
async function openFiles(ports: ReadBackupPorts, which: string, folder: string | undefined): Promise<object> {
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  try {
    const { name, header, begin, end } = await readBackup(ports, which, {
      file: async (path, content) => {
        if (folder !== undefined) await writeFile(join(folder, path), content);
      },
    });
    const { backupId, createdAt, meshPublicKey } = header;
    const { migrations, checkpoint } = begin;
    return {
      name,
      backupId,
      createdAt,
      meshPublicKey,
      migrations,
      checkpoint,
      files: end.files,
      rows: end.rows,
    };
  } catch (error) {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function writeFile(path: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(path, 'w', 0o600);
  try {
    for await (const piece of content) await file.writeFile(piece);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function finish(
  ports: ReadBackupPorts & { readonly kms: Kms },
  which: string,
  options: Options,
): Promise<object> {
  const { database, formerUrl } = readRestoreDatabase();
  const { header, begin } = await readBackup(ports, which);
  const restored = await connect(database);
  const former = formerUrl === undefined ? undefined : await connect({ ...database, url: formerUrl });
  try {
    const seal = await openSeal(restored, ports.kms);
    const { later, damaged } = await readLater(former, seal, begin.checkpoint, options);
    if (former !== undefined) await carryLedger({ ...database, url: formerUrl ?? '' }, database);
    return await finishRestore({
      ...{ restored, former, seal, later, unknown: damaged },
      restoreId: options['restore-id'] ?? '',
      backup: header,
      clock: systemClock,
    });
  } finally {
    await restored.destroy();
    await former?.destroy();
  }
}

/** What happened after the backup: from the one source that there is, or nothing where somebody has said that this must do. */
async function readLater(
  former: DataSource | undefined,
  seal: RowSeal,
  checkpoint: string | null,
  options: Options,
): Promise<{ later: LaterRecords; damaged: readonly string[] }> {
  if (former !== undefined) return laterFromDatabase(former, seal);
  const { 'audit-log': leaves, 'audit-checkpoint': kept, 'audit-key': key } = options;
  if (leaves !== undefined && kept !== undefined && key !== undefined)
    return { later: await laterFromAuditLog({ leaves, checkpoint: kept, key }, checkpoint), damaged: [] };
  if (options['without-later-records'] === true) return { later: NO_LATER_RECORDS, damaged: [] };
  throw failure('USAGE', {
    publicMessage:
      'Say what happened after the backup: --replace reads the database that is there, --audit-log (with --audit-checkpoint and --audit-key) an exported log, --without-later-records goes on without and skips version numbers.',
  });
}

async function intoNamespace(kms: Kms, namespace: string, into: string): Promise<object> {
  const { database, formerUrl } = readRestoreDatabase();
  if (formerUrl === undefined) throw new Error('the running mesh is named by the launcher');
  // Here the former database is the one that goes on; the one that was filled is read and then dropped.
  const [source, live] = [await connect(database), await connect({ ...database, url: formerUrl })];
  try {
    const seal = await openSeal(live, kms);
    return await restoreNamespace({
      source,
      live,
      kms,
      seal,
      namespace,
      into,
      clock: systemClock,
    });
  } finally {
    await source.destroy();
    await live.destroy();
  }
}

async function openSeal(dataSource: DataSource, kms: Kms): Promise<RowSeal> {
  using integrityKey = await openSystemKey(dataSource, kms, 'integrity');
  return makeRowSeal(integrityKey);
}

function connect(database: ReturnType<typeof readRestoreDatabase>['database']): Promise<DataSource> {
  return makeDataSource({
    ...database,
    schema: 'vault',
    entities: vaultEntities,
    applicationName: 'keymesh-restore',
    poolSize: 4,
    statementTimeoutMs: 0,
  }).initialize();
}
