import { inStore } from '@keymesh/postgres';
import type { DataSource } from 'typeorm';
import type { Finding } from '../domain/findings.js';
import { findingOf, type FindingRow } from './finding-row.js';

/** Newest first; of one principal, or of all. @throws STORE_UNAVAILABLE */
export const findFindings = (
  dataSource: DataSource,
  { principal, limit }: { principal?: string | undefined; limit: number },
): Promise<Finding[]> =>
  inStore(async () => {
    const rows = await dataSource.query<FindingRow[]>(
      `SELECT * FROM finding WHERE $1::text IS NULL OR principal = $1
       ORDER BY created_at DESC, finding_id LIMIT $2`,
      [principal ?? null, limit],
    );
    return rows.map(findingOf);
  });
