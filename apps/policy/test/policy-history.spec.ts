import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ShadowPolicies } from '@keymesh/contracts';
import { systemClock } from '@keymesh/kernel';
import {
  BUILT_IN_POLICIES,
  policySetOf,
  readBundle,
  shadowDigestOf,
  signStatement,
  type Policy,
} from '@keymesh/policy-engine';
import { makeDataSource, migrateSchema } from '@keymesh/postgres';
import { startTestPostgres, type TestPostgres } from '@keymesh/testing';
import fc from 'fast-check';
import type { PolicySets } from '../src/domain/policy-sets.js';
import { makeRecordMaker } from '../src/domain/audit.js';
import { APPEND_ONLY_TABLES, MIGRATIONS } from '../src/migrations/index.js';
import { makePolicyStore, type PolicyStore } from '../src/store/book.js';
import { importGenesis, includeBuiltIns } from '../src/store/open-book.js';
import { makePolicySets } from '../src/store/policy-history.js';
import { makeBookMesh } from './support/invitations.js';

const SEED = Number(process.env.KEYMESH_SEED ?? Date.now() % 1_000_000);
const RUNS = process.env.SLOW === '1' ? 60 : 8;
const clock = systemClock;
const mesh = makeBookMesh(clock);
const makeRecord = makeRecordMaker({ instance: 'spec', clock });

let postgres: TestPostgres;
let dataSource: ReturnType<typeof makeDataSource>;
let owner: ReturnType<typeof makeDataSource>;
let store: PolicyStore;
let sets: PolicySets;

beforeAll(async () => {
  postgres = await startTestPostgres();
  const { deployUrl: url, password } = postgres;
  await migrateSchema({
    ...{ url, password, schema: 'policy', role: postgres.roleOf('policy') },
    migrations: MIGRATIONS,
    appendOnlyTables: APPEND_ONLY_TABLES,
  });
  const common = { password, schema: 'policy', applicationName: 'spec' } as const;
  dataSource = makeDataSource({ ...common, url: postgres.urlOf('policy') });
  owner = makeDataSource({ ...common, url });
  await Promise.all([dataSource.initialize(), owner.initialize()]);
  store = openStore();
  sets = makePolicySets(dataSource);
  await importGenesis(store, mesh.genesis, makeRecord);
}, 60_000);
afterAll(async () => {
  await Promise.all([dataSource.destroy(), owner.destroy()]);
  await postgres.stop();
});

/** As a process that starts. */
const openStore = (): PolicyStore =>
  makePolicyStore({ dataSource, trustRoot: mesh.trustRoot, bundleKey: mesh.bundleKey, clock });

const set = (policyId: string, cedar: string | null, basedOn: string | null, statementId = randomUUID()) =>
  signStatement(
    {
      ...{ v: 1, meshId: mesh.trustRoot.meshId, statementId, issuer: 'operator', type: 'policy.set' },
      ...{ issuedAt: new Date(clock.now()).toISOString(), policyId, cedar, twoPerson: false, basedOn },
    },
    mesh.operator.signingKey,
  );
const change = async (statements: string[]) =>
  (await store.change(undefined, () => ({ change: { statements }, records: [], reply: () => null }))).bundle;

const sorted = (policies: readonly Policy[]) =>
  policies.map(({ id, cedar }) => ({ id, cedar })).sort((a, b) => (a.id < b.id ? -1 : 1));
const effectiveNow = async () =>
  sorted(policySetOf([...BUILT_IN_POLICIES], (await store.load()).directory).effective);

describe('the shadow in the book', () => {
  const SHADOW = [{ policyId: 'x', cedar: 'forbid(principal, action, resource);' }];
  const said = (digest: string | null) =>
    signStatement(
      {
        ...{ v: 1, meshId: mesh.trustRoot.meshId, statementId: randomUUID(), issuer: 'operator' },
        ...{ issuedAt: new Date(clock.now()).toISOString(), type: 'policy.shadow-set', digest },
      },
      mesh.operator.signingKey,
    );
  const say = async (digest: string | null, shadow: ShadowPolicies) => {
    const change = { statements: [said(digest)], shadow };
    return shadowOf(
      (await store.change(undefined, () => ({ change, records: [], reply: () => null }))).bundle,
    );
  };
  const shadowOf = ({ bytes }: { bytes: Uint8Array }) => readBundle(bytes, mesh.trustRoot).shadow;

  it('is in the bundle as long as it is there, changes no policy set, and goes without its texts', async () => {
    const before = await sets.find((await store.load()).version);
    expect(await say(shadowDigestOf(SHADOW), SHADOW)).toEqual(SHADOW);
    expect(shadowOf(await change([]))).toEqual(SHADOW);
    expect(await say(shadowDigestOf([]), [])).toEqual([]);
    expect(await say(null, [])).toBeUndefined();
    expect(await say(shadowDigestOf(SHADOW), SHADOW)).toEqual(SHADOW);
    // As when a database was put back, and the statements came from the bucket.
    await owner.query('TRUNCATE shadow_policy');
    expect(shadowOf(await change([]))).toBeUndefined();
    expect((await store.load()).directory.shadow).toBeDefined();
    expect(await sets.find((await store.load()).version)).toEqual(before);
  });
});

describe('the history of policies', () => {
  it('knows of the first bundle, built-in policies included', async () => {
    const { version } = await store.load();
    const known = await sets.find(version);
    expect(known?.policies).toEqual(sorted(BUILT_IN_POLICIES));
    expect(await sets.find(version + 1)).toBeUndefined();
  });

  it('says of every version exactly what its bundle decided by, whatever was written, changed and removed', async () => {
    const anyStep = fc.tuple(
      fc.constantFrom('a', 'b', 'c'),
      fc.constantFrom('permit', 'forbid', 'remove', 'nothing'),
      fc.constantFrom('list', 'retrieve'),
    );
    const seen = new Map<number, Policy[]>();
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { maxLength: 10 }), async (steps) => {
        for (const [policyId, what, action] of steps) {
          const now = (await store.load()).directory.policies.find((policy) => policy.policyId === policyId);
          if (what === 'remove' && now === undefined) continue;
          const cedar =
            what === 'remove'
              ? null
              : `${what}(principal, action == Keymesh::Action::"${action}", resource);`;
          const statements = what === 'nothing' ? [] : [set(policyId, cedar, now?.statementId ?? null)];
          const { version } = await change(statements);
          seen.set(version, await effectiveNow());
        }
        for (const [version, policies] of seen)
          expect((await sets.find(version))?.policies).toEqual(policies);
      }),
      { seed: SEED, numRuns: RUNS },
    );
    const ranges = await sets.list(1, 10_000);
    for (const [version, policies] of seen) {
      const range = ranges.find(
        ({ firstVersion, lastVersion }) => firstVersion <= version && version <= lastVersion,
      );
      const other = seen.get(range!.firstVersion);
      if (other !== undefined) expect(other).toEqual(policies);
      expect(range?.digest).toBe((await sets.find(version))?.digest);
    }
  }, 120_000);

  it('is committed with the bundle or not at all', async () => {
    const before = (await store.load()).version;
    await expect(
      store.change(undefined, () => ({
        change: {},
        records: [],
        reply: () => {
          throw new Error('planted failure');
        },
      })),
    ).rejects.toThrow();
    expect((await store.load()).version).toBe(before);
    expect(await sets.find(before + 1)).toBeUndefined();
  });

  it('cannot be changed by the service', async () => {
    for (const text of [
      `UPDATE effective_policy SET cedar = 'x'`,
      'DELETE FROM effective_policy',
      'UPDATE policy_set SET version = version + 1000',
      'DELETE FROM policy_set',
    ])
      await expect(dataSource.query(text)).rejects.toThrow('permission denied');
  });

  it('goes on with a bundle that is known when the newest one is not', async () => {
    const newest = await store.load();
    expect(await includeBuiltIns(store, newest)).toBeUndefined();
    // A mesh whose bundles are from before this was kept, or whose database was put back.
    await owner.query('DELETE FROM policy_set WHERE version = $1', [newest.version]);
    const next = await includeBuiltIns(openStore(), newest);
    expect(next?.version).toBe(newest.version + 1);
    expect((await sets.find(next!.version))?.policies).toEqual(await effectiveNow());
    const ranges = await sets.list(newest.version - 1, 10);
    expect(
      ranges.some(
        ({ firstVersion, lastVersion }) => firstVersion <= newest.version && newest.version <= lastVersion,
      ),
    ).toBe(false);
  });

  it('goes on with a new bundle when this release has other built-in policies', async () => {
    const newest = await store.load();
    // As a release would have left it that knew a role less.
    await owner.query(`UPDATE policy_set SET digest = sha256('an older release') WHERE version = $1`, [
      newest.version,
    ]);
    const next = await includeBuiltIns(store, newest);
    expect(next?.version).toBe(newest.version + 1);
    expect((await sets.find(next!.version))?.policies).toEqual(await effectiveNow());
    expect(await includeBuiltIns(store, await store.load())).toBeUndefined();
  });
});
