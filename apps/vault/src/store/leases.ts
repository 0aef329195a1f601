import { failure } from '@keymesh/contracts';
import { utf8 } from '@keymesh/kernel';
import { insertOutbox, inStore, once, transact } from '@keymesh/postgres';
import canonicalize from 'canonicalize';
import { type DataSource, type EntityManager, type SelectQueryBuilder } from 'typeorm';
import type { Lease, LeaseFilter, LeaseMutations, LeaseRows, ListLeases } from '../domain/leases.js';
import { macEquals, type RowSeal } from '../domain/row-mac.js';
import { fromLease, LeaseEntity, toLease } from './entities/lease.entity.js';

type Seal = Pick<RowSeal, 'messageMac'>;

// Every column; `table` keeps it apart from whatever else is sealed with this key.
const macOf = ({ messageMac }: Seal, lease: Lease): Uint8Array =>
  messageMac(utf8(canonicalize({ table: 'lease', ...lease }) ?? ''));

/** @throws CREDENTIAL_DAMAGED when the row is not as the vault wrote it. */
function openLeaseRow(seal: Seal, row: LeaseEntity): Lease {
  const lease = toLease(row);
  if (macEquals(macOf(seal, lease), row.rowMac)) return lease;
  throw failure('CREDENTIAL_DAMAGED', {
    publicMessage:
      'The row of this lease was changed outside Keymesh. Issue a new lease, and start an incident.',
    details: { leaseId: lease.leaseId, reason: 'the HMAC of the row does not hold' },
  });
}

export interface LeaseMutationsOptions {
  readonly dataSource: DataSource;
  readonly seal: Seal;
  /** After each commit: there may be records to publish. Must not throw. */
  readonly afterCommit: () => void;
}

/** The port {@link LeaseMutations} over Postgres. */
export const makeLeaseMutations = ({
  dataSource,
  seal,
  afterCommit,
}: LeaseMutationsOptions): LeaseMutations => ({
  async run(call, work) {
    const { reply } = await transact(dataSource, (manager) =>
      once(manager, call.principal, call.requestId, () => work(makeLeaseRows(manager, seal))),
    );
    afterCommit();
    return reply;
  },
});

/** {@link LeaseRows} of a transaction that has begun. */
export function makeLeaseRows(manager: EntityManager, seal: Seal): LeaseRows {
  const leases = manager.getRepository(LeaseEntity);
  const locked = (): SelectQueryBuilder<LeaseEntity> =>
    leases.createQueryBuilder('l').setLock('pessimistic_write');
  return {
    async countLive(principal, nowMs) {
      // A principal without a lease has no row to lock.
      await manager.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [
        `keymesh/vault/leases/${principal}`,
      ]);
      return leases
        .createQueryBuilder('l')
        .where('l.principal = :principal AND l.endedAt IS NULL AND l.expiresAt > :now', {
          principal,
          now: new Date(nowMs),
        })
        .getCount();
    },
    async insert(lease) {
      await leases.insert(fromLease(lease, macOf(seal, lease)));
    },
    async lock(leaseId) {
      const row = await locked().where('l.leaseId = :leaseId', { leaseId }).getOne();
      return row === null ? undefined : openLeaseRow(seal, row);
    },
    async update(lease) {
      const { leaseId, ...row } = fromLease(lease, macOf(seal, lease));
      await leases.update({ leaseId }, row);
    },
    async lockLive(filter, nowMs, limit) {
      const rows = await locked()
        .where(whose(filter), filter)
        .andWhere('l.endedAt IS NULL AND l.expiresAt > :now', { now: new Date(nowMs) })
        .orderBy('l.leaseId') // everybody locks in this order
        .limit(limit)
        .getMany();
      return rows.map((row) => openLeaseRow(seal, row));
    },
    announce: ({ kind, id, subject, payload, beside }) =>
      insertOutbox(manager, {
        ...{ kind, id, subject, payload: Buffer.from(payload) },
        ...(beside === undefined ? {} : { beside }),
      }),
  };
}

const whose = (filter: LeaseFilter): string =>
  'principal' in filter ? 'l.principal = :principal' : 'l.credentialId = :credentialId';

/** Leases whose time is over and that nobody has ended yet, locked; those that another instance works on are left to it. */
export async function lockOverdue(
  manager: EntityManager,
  seal: Seal,
  nowMs: number,
  limit: number,
): Promise<readonly Lease[]> {
  const rows = await manager
    .getRepository(LeaseEntity)
    .createQueryBuilder('l')
    .setLock('pessimistic_write')
    .setOnLocked('skip_locked')
    .where('l.endedAt IS NULL AND l.expiresAt <= :now', { now: new Date(nowMs) })
    .orderBy('l.leaseId')
    .limit(limit)
    .getMany();
  return rows.map((row) => openLeaseRow(seal, row));
}

/** Forgets leases that ended before. @returns how many went. */
export async function pruneLeases(manager: EntityManager, endedBeforeMs: number): Promise<number> {
  const { affected } = await manager
    .getRepository(LeaseEntity)
    .createQueryBuilder()
    .delete()
    .where('ended_at < :before', { before: new Date(endedBeforeMs) })
    .execute();
  return affected ?? 0;
}

/** The port {@link ListLeases} over Postgres. Ids are made in the order of time, so they are the order of the list. */
export const makeListLeaseRows =
  (dataSource: DataSource, seal: Seal): ListLeases =>
  ({ principal, ended, before, limit, nowMs }) =>
    inStore(async () => {
      const query = dataSource.getRepository(LeaseEntity).createQueryBuilder('l');
      if (principal !== undefined) query.andWhere('l.principal = :principal', { principal });
      if (!ended) query.andWhere('l.endedAt IS NULL AND l.expiresAt > :now', { now: new Date(nowMs) });
      if (before !== undefined) query.andWhere('l.leaseId < :before', { before });
      const rows = await query.orderBy('l.leaseId', 'DESC').limit(limit).getMany();
      return rows.map((row) => openLeaseRow(seal, row));
    });
