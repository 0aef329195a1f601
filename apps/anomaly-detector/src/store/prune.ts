import { inStore } from '@keymesh/postgres';
import type { DataSource } from 'typeorm';

/** Longer than the stream AUDIT keeps messages (30 days): what is forgotten here can not come again. */
export const PROCESSED_DAYS = 32;
export const FINDING_DAYS = 400;

/** Forgets events and findings that are too old to matter. @throws STORE_UNAVAILABLE */
export const prune = (dataSource: DataSource): Promise<void> =>
  inStore(async () => {
    await dataSource.query(
      `DELETE FROM processed_event WHERE event_id IN (
         SELECT event_id FROM processed_event WHERE event_at < now() - $1 * interval '1 day' LIMIT 50000)`,
      [PROCESSED_DAYS],
    );
    await dataSource.query(`DELETE FROM finding WHERE created_at < now() - $1 * interval '1 day'`, [
      FINDING_DAYS,
    ]);
  });
