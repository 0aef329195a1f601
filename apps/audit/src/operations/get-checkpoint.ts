import { failure, type getCheckpoint } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import { inStore } from '@keymesh/postgres';
import type { DataSource } from 'typeorm';
import { findNewestCheckpoint } from '../store/checkpoints.js';
import type { AuthoriseAuditRead } from './authorise-audit-read.js';

export interface GetCheckpointPorts {
  readonly dataSource: DataSource;
  readonly authorise: AuthoriseAuditRead;
  /** Text form of the key that verifies it. */
  readonly verifierKey: string;
  /** Signs what is committed by now, where this instance can. Failing is not the asker's business: then the last one serves. */
  readonly signNewest: () => Promise<void>;
}

/** The newest signed checkpoint. @throws UNAVAILABLE before the first. */
export const makeGetCheckpoint =
  ({ dataSource, authorise, verifierKey, signNewest }: GetCheckpointPorts): Handler<typeof getCheckpoint> =>
  async (_request, call) => {
    await authorise('getCheckpoint', call);
    await signNewest();
    const checkpoint = await inStore(() => findNewestCheckpoint(dataSource.manager));
    if (checkpoint === undefined)
      throw failure('UNAVAILABLE', { publicMessage: 'No checkpoint has been signed yet.' });
    return { checkpoint: checkpoint.note, verifierKey };
  };
