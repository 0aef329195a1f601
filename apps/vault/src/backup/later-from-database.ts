import type { DataSource } from 'typeorm';
import type { RowSeal } from '../domain/row-mac.js';
import { CredentialVersionEntity } from '../store/entities/credential-version.entity.js';
import { openCredentialRow, openVersionRow } from '../store/sealed-rows.js';
import { credentialRows } from './credential-rows.js';
import type { LaterCredential, LaterRecords } from './later-records.js';

/**
 * Reads what happened after the backup from the database of the mesh as it was until now. Rows are believed only by their HMAC; one whose
 * HMAC does not hold is left out, and `damaged` counts it: its number is then raised as for one that nothing is known of.
 */
export async function laterFromDatabase(
  former: DataSource,
  seal: RowSeal,
): Promise<{ readonly later: LaterRecords; readonly damaged: readonly string[] }> {
  const credentials = new Map<string, LaterCredential>();
  const damaged: string[] = [];
  const destroyed = await destroyedVersions(former, seal);
  let maxRevision = await sequenceValue(former);
  for await (const row of credentialRows(former)) {
    const credential = opened(() => openCredentialRow(seal, row));
    if (credential === undefined) {
      damaged.push(row.credentialId);
      continue;
    }
    maxRevision = Math.max(maxRevision, credential.revision);
    credentials.set(credential.credentialId, {
      lastVersion: credential.lastVersion,
      deletedAtMs: credential.deletedAtMs,
      recoverableUntilMs: credential.recoverableUntilMs,
      purgedAtMs: credential.purgedAtMs,
      inactive: credential.status === 'inactive',
      destroyed: destroyed.get(credential.credentialId) ?? new Map(),
    });
  }
  const maxEpoch = await newestEpoch(former);
  return {
    later: { source: 'database', credentials, takings: [], kills: [], maxRevision, maxEpoch },
    damaged,
  };
}

async function destroyedVersions(
  former: DataSource,
  seal: RowSeal,
): Promise<Map<string, Map<number, number>>> {
  const rows = await former
    .getRepository(CredentialVersionEntity)
    .createQueryBuilder('v')
    .where('v.destroyedAt IS NOT NULL')
    .getMany();
  const destroyed = new Map<string, Map<number, number>>();
  for (const row of rows) {
    const version = opened(() => openVersionRow(seal, row));
    if (version === undefined) continue;
    const own = destroyed.get(version.credentialId) ?? new Map<number, number>();
    destroyed.set(version.credentialId, own.set(version.version, version.destroyedAtMs ?? 0));
  }
  return destroyed;
}

function opened<T>(open: () => T): T | undefined {
  try {
    return open();
  } catch {
    return undefined;
  }
}

async function sequenceValue(former: DataSource): Promise<number> {
  const [row] = await former.query<{ last_value: string }[]>('SELECT last_value FROM vault.revision');
  return Number(row?.last_value ?? 0);
}

async function newestEpoch(former: DataSource): Promise<number> {
  const [row] = await former.query<{ epoch: number | null }[]>(
    'SELECT max(epoch) AS epoch FROM vault.restore_epoch',
  );
  return row?.epoch ?? 0;
}
