import { failure } from '@keymesh/contracts';
import { fillTables, type DatabasePassword, type TableFilling, type TableShape } from '@keymesh/postgres';
import { BACKUP_SCHEMAS, isBackedUp } from './scope.js';
import { readBackup, type ReadBackupPorts, type VerifiedBackup } from './verify-backup.js';

/**
 * Fills a database from a backup, in one transaction: after a failure at any point it is as before. Its schemas must be at the levels that
 * the backup names; what is in the tables goes.
 * @param database as the role that owns the tables.
 * @throws BACKUP_INVALID, BACKUP_NOT_FOUND, KMS_UNAVAILABLE, STORE_UNAVAILABLE, BACKUP_TARGET_UNAVAILABLE
 */
export async function loadBackup(
  ports: ReadBackupPorts,
  which: string,
  database: { readonly url: string } & DatabasePassword,
): Promise<VerifiedBackup> {
  let verified: VerifiedBackup | undefined;
  const options = { ...database, schemas: BACKUP_SCHEMAS, applicationName: 'keymesh-restore' };
  await fillTables(options, async (filling) => {
    await filling.empty(filling.tables.filter(({ table }) => table !== 'migration'));
    verified = await readBackup(ports, which, {
      begin: (begin) => {
        checkLevels(filling, begin.migrations);
        return Promise.resolve();
      },
      table: async (shape, rows) => {
        checkShape(filling, shape);
        await filling.copyIn(shape, rows);
      },
    });
    for (const state of verified.end.sequences) await filling.setSequence(state);
  });
  if (verified === undefined) throw new Error('a transaction ended without its work');
  return verified;
}

function checkLevels(filling: TableFilling, wanted: Readonly<Record<string, readonly string[]>>): void {
  for (const schema of BACKUP_SCHEMAS) {
    const there = [...(filling.migrations[schema] ?? [])].sort().join();
    if (there !== [...(wanted[schema] ?? [])].sort().join())
      throw failure('BACKUP_INVALID', {
        publicMessage: `The tables of ${schema} are not at the level of the backup. Restore with \`keymesh backup restore\`, which makes them so.`,
      });
  }
}

/** A backup names its tables and columns: only those that are there, and none that is never backed up. */
function checkShape(filling: TableFilling, { schema, table, columns }: TableShape): void {
  const there = filling.tables.find((shape) => shape.schema === schema && shape.table === table);
  const fits =
    there !== undefined && isBackedUp(there) && columns.every((column) => there.columns.includes(column));
  if (!fits) throw failure('BACKUP_INVALID', { details: { reason: 'a table is not there', schema, table } });
}
