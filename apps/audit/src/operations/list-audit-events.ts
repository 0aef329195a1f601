import type { listAuditEvents } from '@keymesh/contracts';
import { fromUtf8, toHex } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { inStore } from '@keymesh/postgres';
import type { DataSource } from 'typeorm';
import { findNewestCheckpoint } from '../store/checkpoints.js';
import { listEntries } from '../store/entries.js';
import type { AuthoriseAuditRead } from './authorise-audit-read.js';

/** Leaves a reply may hold, before JSON escapes their quotes: well below a message's 900 KiB. */
const MAX_PAGE_BYTES = 400 * 1024;

export interface ListAuditEventsPorts {
  readonly dataSource: DataSource;
  readonly authorise: AuthoriseAuditRead;
}

/** Ledger entries from an index on, exact leaves included; as many as fit into one message. */
export const makeListAuditEvents =
  ({ dataSource, authorise }: ListAuditEventsPorts): Handler<typeof listAuditEvents> =>
  async ({ fromIndex, limit }, call) => {
    await authorise('listAuditEvents', call);
    return await inStore(async () => {
      const { manager } = dataSource;
      const checkpoint = await findNewestCheckpoint(manager);
      const entries = await listEntries(manager, { fromIndex, limit, maxBytes: MAX_PAGE_BYTES });
      return {
        events: entries.map(({ index, leaf, leafHash, beside }) => ({
          index,
          leafHash: toHex(leafHash),
          leaf: fromUtf8(leaf),
          beside: beside === null ? null : { ...beside },
        })),
        treeSize: checkpoint?.size ?? 0,
      };
    });
  };
