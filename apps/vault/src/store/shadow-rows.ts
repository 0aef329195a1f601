import { inStore, transact } from '@keymesh/postgres';
import type { DataSource, EntityManager } from 'typeorm';
import type { ShadowSums, SummedDifference } from '../domain/shadow.js';

/** Sums of one shadow over all instances, and since when. */
export type ShadowReport = Omit<ShadowSums, 'shadowId'> & {
  readonly sinceMs: number;
  /** Differences beyond the limit. */
  readonly more: number;
};

/** Where the sums are kept. @throws STORE_UNAVAILABLE */
export interface ShadowStore {
  /** Adds what one instance has summed up. */
  add(sums: ShadowSums): Promise<void>;
  /** The differences that happen most; undefined where nothing was evaluated yet. */
  report(shadowId: string, limit: number): Promise<ShadowReport | undefined>;
}

/** Of shadows that are over. */
const KEPT_DAYS = 90;

export const makeShadowStore = (dataSource: DataSource): ShadowStore => ({
  add: (sums) =>
    transact(dataSource, async (manager) => {
      await addTotal(manager, sums);
      // In one order over all instances, so that none waits for another that waits for it.
      for (const difference of [...sums.differences].sort(byKey))
        await addDifference(manager, sums.shadowId, difference);
    }),
  report: (shadowId, limit) => inStore(() => readReport(dataSource.manager, shadowId, limit)),
});

async function addTotal(
  manager: EntityManager,
  { shadowId, evaluated, different, skipped }: ShadowSums,
): Promise<void> {
  await manager.query(
    `INSERT INTO shadow_total (shadow_id, evaluated, different, skipped) VALUES ($1, $2, $3, $4)
     ON CONFLICT (shadow_id) DO UPDATE SET updated_at = now(), evaluated = shadow_total.evaluated + $2,
       different = shadow_total.different + $3, skipped = shadow_total.skipped + $4`,
    [shadowId, evaluated, different, skipped],
  );
  await manager.query(
    `DELETE FROM shadow_total WHERE shadow_id <> $1 AND updated_at < now() - make_interval(days => $2)`,
    [shadowId, KEPT_DAYS],
  );
}

async function addDifference(
  manager: EntityManager,
  shadowId: string,
  difference: SummedDifference,
): Promise<void> {
  const { principal, action, resourceKind, from, to, because, count, firstAtMs, lastAtMs } = difference;
  await manager.query(
    `INSERT INTO shadow_difference AS known
       (shadow_id, principal, action, resource_kind, from_effect, to_effect, because, count, first_at, last_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
     ON CONFLICT (shadow_id, principal, action, resource_kind, from_effect, to_effect, because) DO UPDATE
       SET count = known.count + $8, first_at = least(known.first_at, $9), last_at = greatest(known.last_at, $10)`,
    [
      ...[shadowId, principal, action, resourceKind, from, to, because, count],
      ...[new Date(firstAtMs), new Date(lastAtMs)],
    ],
  );
}

const byKey = (a: SummedDifference, b: SummedDifference): number => (keyOf(a) < keyOf(b) ? -1 : 1);
const keyOf = ({ principal, action, resourceKind, from, to, because }: SummedDifference): string =>
  JSON.stringify([principal, action, resourceKind, from, to, because]);

interface DifferenceRow {
  readonly principal: string;
  readonly action: SummedDifference['action'];
  readonly resource_kind: SummedDifference['resourceKind'];
  readonly from_effect: SummedDifference['from'];
  readonly to_effect: SummedDifference['to'];
  readonly because: string[];
  readonly count: string;
  readonly first_at: Date;
  readonly last_at: Date;
}

async function readReport(
  manager: EntityManager,
  shadowId: string,
  limit: number,
): Promise<ShadowReport | undefined> {
  const [total] = await manager.query<
    { evaluated: string; different: string; skipped: string; since: Date; kinds: string }[]
  >(
    `SELECT evaluated, different, skipped, since,
       (SELECT count(*) FROM shadow_difference WHERE shadow_id = $1) AS kinds
     FROM shadow_total WHERE shadow_id = $1`,
    [shadowId],
  );
  if (total === undefined) return undefined;
  const rows = await manager.query<DifferenceRow[]>(
    `SELECT * FROM shadow_difference WHERE shadow_id = $1
     ORDER BY count DESC, principal, action, resource_kind, from_effect, because LIMIT $2`,
    [shadowId, limit],
  );
  return {
    evaluated: Number(total.evaluated),
    different: Number(total.different),
    skipped: Number(total.skipped),
    sinceMs: total.since.getTime(),
    more: Math.max(0, Number(total.kinds) - rows.length),
    differences: rows.map(({ principal, action, because, count, ...row }) => ({
      ...{ principal, action, because, count: Number(count) },
      ...{ resourceKind: row.resource_kind, from: row.from_effect, to: row.to_effect },
      ...{ firstAtMs: row.first_at.getTime(), lastAtMs: row.last_at.getTime() },
    })),
  };
}
