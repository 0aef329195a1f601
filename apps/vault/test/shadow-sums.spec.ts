import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestPostgres, type TestPostgres } from '@keymesh/testing';
import type { DataSource } from 'typeorm';
import type { ShadowSums, SummedDifference } from '../src/domain/shadow.js';
import { makeShadowStore, type ShadowStore } from '../src/store/shadow-rows.js';
import { migrateVault, openRows } from './support/vault-world.js';

let postgres: TestPostgres;
let dataSource: DataSource;
let store: ShadowStore;
beforeAll(async () => {
  postgres = await startTestPostgres();
  await migrateVault(postgres);
  dataSource = await openRows(postgres);
  store = makeShadowStore(dataSource);
}, 60_000);
afterAll(async () => {
  await dataSource.destroy();
  await postgres.stop();
});

const difference = (
  principal: string,
  count: number,
  over: Partial<SummedDifference> = {},
): SummedDifference => ({
  ...{ principal, action: 'retrieve', resourceKind: 'credential', from: 'permit', to: 'forbid' },
  ...{ because: ['policy.a', 'policy.b'], count, firstAtMs: 1_000, lastAtMs: 2_000, ...over },
});
const sumsOf = (shadowId: string, ...differences: SummedDifference[]): ShadowSums => {
  const different = differences.reduce((sum, { count }) => sum + count, 0);
  return { shadowId, evaluated: different + 10, different, skipped: 1, differences };
};

describe('the sums of the shadow', () => {
  it('add up over instances that keep theirs at the same time, in whatever order', async () => {
    const shadowId = randomUUID();
    const names = ['a', 'b', 'c', 'd'];
    const rounds = Array.from({ length: 12 }, (_, n) =>
      store.add(sumsOf(shadowId, ...names.map((name, at) => difference(names[(at + n) % 4] ?? name, 1)))),
    );
    await Promise.all(rounds);
    const report = await store.report(shadowId, 100);
    expect(report).toMatchObject({ evaluated: 12 * 14, different: 48, skipped: 12, more: 0 });
    expect(report?.differences.map(({ principal, count }) => [principal, count])).toEqual(
      names.map((name) => [name, 12]),
    );
  });

  it('come most first, with the first and last time, and a count of those that are not listed', async () => {
    const shadowId = randomUUID();
    await store.add(sumsOf(shadowId, difference('rare', 1), difference('often', 5)));
    await store.add(sumsOf(shadowId, difference('often', 2, { firstAtMs: 500, lastAtMs: 9_000 })));
    await store.add(sumsOf(shadowId, difference('often', 3, { because: [] })));
    const report = await store.report(shadowId, 2);
    expect(report?.differences).toEqual([
      difference('often', 7, { firstAtMs: 500, lastAtMs: 9_000 }),
      difference('often', 3, { because: [] }),
    ]);
    expect(report?.more).toBe(1);
  });

  it('are of one shadow each, and go when it is long over', async () => {
    const [old, now] = [randomUUID(), randomUUID()];
    await store.add(sumsOf(old, difference('a', 1)));
    expect(await store.report(now, 10)).toBeUndefined();
    await dataSource.query(
      `UPDATE shadow_total SET updated_at = now() - interval '91 days' WHERE shadow_id = $1`,
      [old],
    );
    await store.add(sumsOf(now));
    expect(await store.report(old, 10)).toBeUndefined();
    const [row] = await dataSource.query<{ n: string }[]>(
      'SELECT count(*) AS n FROM shadow_difference WHERE shadow_id = $1',
      [old],
    );
    expect(row?.n).toBe('0');
    expect(await store.report(now, 10)).toMatchObject({ evaluated: 10, differences: [] });
  });
});
