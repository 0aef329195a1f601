import { inStore } from '@keymesh/postgres';
import type { DataSource } from 'typeorm';
import type { RowSeal } from '../domain/row-mac.js';
import { CredentialEntity } from './entities/credential.entity.js';
import type { ChangedRow } from './index-entries.js';
import type { LoadChanges } from './metadata-index.js';
import { openCredentialRow } from './sealed-rows.js';

// One statement is one snapshot, so xmin and rows belong together. A transaction below xmin has ended and is visible here; one that
// commits later has an id of at least xmin, and the next question asks from there. Deleted rows count only as changes.
const question = (condition: string): string => `
  SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS xmin, c.changed_xid::text AS changed_xid_text, c.*
  FROM (SELECT 1) AS one LEFT JOIN credential c ON ${condition}`;
const EVERYTHING = question('c.deleted_at IS NULL');
const CHANGES = question('c.changed_xid >= $1::xid8');

type Raw = Record<string, unknown> & {
  readonly xmin: string;
  readonly changed_xid_text: string;
  readonly credential_id: string | null;
};

/** The port {@link LoadChanges} over Postgres. */
export const makeLoadChanges =
  (dataSource: DataSource, seal: RowSeal): LoadChanges =>
  (sinceXmin) =>
    inStore(async () => {
      const raws: Raw[] = await (sinceXmin === undefined
        ? dataSource.query(EVERYTHING)
        : dataSource.query(CHANGES, [sinceXmin]));
      const [first] = raws;
      if (first === undefined) throw new Error('the snapshot always has a row');
      const rows = raws.filter(({ credential_id }) => credential_id !== null);
      return { xmin: first.xmin, rows: rows.map((raw) => toChangedRow(dataSource, seal, raw)) };
    });

function toChangedRow(dataSource: DataSource, seal: RowSeal, raw: Raw): ChangedRow {
  const row = entityOf(dataSource, raw);
  return {
    credentialId: row.credentialId,
    changedXid: raw.changed_xid_text,
    name: row.name,
    credential: openOrDamaged(seal, row),
  };
}

function openOrDamaged(seal: RowSeal, row: CredentialEntity): ChangedRow['credential'] {
  try {
    return openCredentialRow(seal, row);
  } catch {
    return undefined; // the index answers CREDENTIAL_DAMAGED for it
  }
}

/** Column names of the driver's row to properties, by the entity's own mapping. */
function entityOf(dataSource: DataSource, raw: Raw): CredentialEntity {
  const { columns } = dataSource.getMetadata(CredentialEntity);
  const row = Object.fromEntries(
    columns.map((column) => [
      column.propertyName,
      column.propertyName === 'revision' ? Number(raw.revision) : raw[column.databaseName],
    ]),
  );
  return row as unknown as CredentialEntity;
}
