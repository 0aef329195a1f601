import { failure, toPublicError } from '@keymesh/contracts';
import { signingKeyOf, systemClock, type SigningKey } from '@keymesh/kernel';
import { makeDataSource, transact } from '@keymesh/postgres';
import { runTask } from '@keymesh/service-kit/task';
import type { DataSource } from 'typeorm';
import { newestFirst } from './backup/backup-name.js';
import { readCreateConfig, readTargetConfig, type TargetConfig } from './backup/config.js';
import { createBackup } from './backup/create-backup.js';
import { homeFiles } from './backup/home-files.js';
import { recordBackup } from './backup/record-backup.js';
import { expiredBackups } from './backup/retention.js';
import { openTarget, type BackupTarget } from './backup/targets/target.js';
import { readBackup } from './backup/verify-backup.js';
import { openKms } from './kms/index.js';
import type { Kms } from './kms/kms.js';
import { vaultEntities } from './store/entities/index.js';
import { openSystemKey } from './store/system-keys.js';

// `node backup.js create|verify <backup>|list|prune`, with the vault's environment and where backups are kept. Prints one JSON value.

const print = (value: object): void => void process.stdout.write(`${JSON.stringify(value)}\n`);

await runTask('vault-backup', async () => {
  const [command, which] = process.argv.slice(2);
  const config = readTargetConfig();
  const target = await openTarget(config.target);
  switch (command) {
    case 'create': {
      print(await create(config, target));
      return;
    }
    case 'verify': {
      const { name, header, begin, end } = await readBackup(
        { kms: await openKms(config.kms), target },
        which ?? 'latest',
      );
      const { backupId, createdAt, meshPublicKey } = header;
      const { tables, rows, files } = end;
      print({
        ok: true,
        name,
        backupId,
        createdAt,
        meshPublicKey,
        epoch: begin.epoch,
        tables,
        rows,
        files,
      });
      return;
    }
    case 'list': {
      print({ backups: await listBackups(target) });
      return;
    }
    case 'prune': {
      print({ removed: await prune(config, target) });
      return;
    }
    default:
      throw failure('USAGE', { publicMessage: 'Say what to do: create, verify, list or prune.' });
  }
});

/** Makes a backup, removes those whose time is over, and records both, whatever comes of it. */
async function create(config: TargetConfig, target: BackupTarget): Promise<object> {
  const { database, reader, home, rootFiles } = readCreateConfig();
  const dataSource = makeDataSource({
    ...database,
    schema: 'vault',
    entities: vaultEntities,
    applicationName: 'keymesh-vault-backup',
    poolSize: 2,
  });
  await dataSource.initialize();
  try {
    const kms = await openKms(config.kms);
    const meshKey = await openMeshKey(dataSource, kms);
    const files = homeFiles(home, rootFiles);
    const made = await createBackup({ kms, meshKey, reader, target, files, clock: systemClock });
    const removed = await prune(config, target);
    const { backupId, sizeBytes, tables, rows } = made;
    await record(dataSource, {
      backupId,
      facts: { target: target.kind, sizeBytes, tables, rows, pruned: removed.length },
    });
    return { ...made, removed };
  } catch (error) {
    // That it failed is recorded as well; when even that fails, the first cause is what is told.
    await record(dataSource, { code: toPublicError(error).code, facts: { target: target.kind } }).catch(
      () => undefined,
    );
    throw error;
  } finally {
    await dataSource.destroy();
  }
}

// Functions and no constants from here on: the task runs before this line is reached.
function record(
  dataSource: DataSource,
  entry: Omit<Parameters<typeof recordBackup>[1], 'type'>,
): Promise<void> {
  return transact(dataSource, (manager) =>
    recordBackup(manager, { type: 'backup.created', ...entry }, systemClock),
  );
}

async function openMeshKey(dataSource: DataSource, kms: Kms): Promise<SigningKey> {
  using seed = await openSystemKey(dataSource, kms, 'mesh');
  return signingKeyOf(seed);
}

async function listBackups(target: BackupTarget): Promise<object[]> {
  const all = await target.list();
  const sizes = new Map(all.map(({ name, sizeBytes }) => [name, sizeBytes]));
  return newestFirst(all.map(({ name }) => name)).map((backup) => ({
    ...backup,
    sizeBytes: sizes.get(backup.name),
  }));
}

/** @returns the names of what was removed. */
async function prune({ keep }: TargetConfig, target: BackupTarget): Promise<string[]> {
  const all = newestFirst((await target.list()).map(({ name }) => name));
  const expired = expiredBackups(all, keep);
  for (const { name } of expired) await target.remove(name);
  return expired.map(({ name }) => name);
}
