import { inStore } from '@keymesh/postgres';
import type { DataSource } from 'typeorm';
import type { Credential } from '../domain/credential.js';
import type { DeletedCredentials } from '../domain/ports.js';
import type { RowSeal } from '../domain/row-mac.js';
import { CredentialEntity } from './entities/credential.entity.js';
import { openCredentialRow } from './sealed-rows.js';

// A window that was not kept is thirty days from the deletion (restorableUntilMs).
const OVERDUE = `
  SELECT credential_id FROM credential
  WHERE deleted_at IS NOT NULL AND purged_at IS NULL
    AND coalesce(recoverable_until, deleted_at + interval '30 days') <= $1
  ORDER BY recoverable_until LIMIT $2`;

/** The port {@link DeletedCredentials} over Postgres. */
export function makeDeletedCredentials(dataSource: DataSource, seal: RowSeal): DeletedCredentials {
  const deleted = () =>
    dataSource.getRepository(CredentialEntity).createQueryBuilder('c').where('c.deletedAt IS NOT NULL');
  const opened = (row: CredentialEntity | null) => (row === null ? undefined : openCredentialRow(seal, row));
  const wholeOf = (row: CredentialEntity): Credential[] => {
    try {
      return [openCredentialRow(seal, row)];
    } catch {
      return []; // `keymesh fsck` names it
    }
  };
  return {
    findById: (credentialId) =>
      inStore(async () =>
        opened(await deleted().andWhere('c.credentialId = :credentialId', { credentialId }).getOne()),
      ),
    findByName: (name) =>
      inStore(async () =>
        opened(
          await deleted()
            .andWhere('c.name = :name AND c.purgedAt IS NULL', { name })
            .orderBy('c.deletedAt', 'DESC')
            .addOrderBy('c.revision', 'DESC')
            .limit(1)
            .getOne(),
        ),
      ),
    findDeletedSince: (name, sinceMs) =>
      inStore(async () => {
        const row = await deleted()
          .andWhere('c.name = :name AND c.deletedAt > :since', { name, since: new Date(sinceMs) })
          .orderBy('c.deletedAt', 'DESC')
          .limit(1)
          .getOne();
        return row === null ? undefined : wholeOf(row)[0];
      }),
    listByName: () =>
      inStore(async () => {
        const rows = await deleted().andWhere('c.purgedAt IS NULL').getMany();
        return rows.flatMap(wholeOf).sort((a, b) => (byNameAndId(a) < byNameAndId(b) ? -1 : 1));
      }),
    listOverdue: (nowMs, limit) =>
      inStore(async () => {
        const rows = await dataSource.query<{ credential_id: string }[]>(OVERDUE, [new Date(nowMs), limit]);
        return rows.map(({ credential_id }) => credential_id);
      }),
  };
}

// A space sorts before everything that a name can hold.
const byNameAndId = ({ name, credentialId }: { name: string; credentialId: string }): string =>
  `${name} ${credentialId}`;
