import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { KeymeshError } from '@keymesh/kernel';
import { startTestPostgres, type TestPostgres } from '@keymesh/testing';
import fc from 'fast-check';
import { callBy, text, textOf } from './fakes.js';
import { openKeyVault, type KeyVault } from './support/key-vault.js';
import { openPostgresVault, type PostgresVault } from './support/postgres-vault.js';
import { migrateVault } from './support/vault-world.js';

// Random histories of stores and deletions with key operations in between, also half-way through a job: whatever is done to keys, every value
// that should be there opens and is what it was.

const NAMESPACES = ['a', 'b'];
const name = fc.constantFrom('a/x', 'a/y', 'b/x');
const namespace = fc.constantFrom(...NAMESPACES);
type Step =
  | { readonly kind: 'store' | 'delete' | 'reencrypt-one'; readonly name: string; readonly value: number }
  | { readonly kind: 'rotate' | 'rewrap' | 'reencrypt' | 'cancel' | 'destroy'; readonly namespace: string }
  | { readonly kind: 'rewrap-all' | 'rewrap-root' | 'batch' | 'finish' | 'lose-keys' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('store' as const), name, value: fc.nat({ max: 9_999 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('delete' as const, 'reencrypt-one' as const),
      name,
      value: fc.nat(),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'rotate' as const,
        'rotate' as const,
        'rewrap' as const,
        'reencrypt' as const,
        'cancel' as const,
        'destroy' as const,
      ),
      namespace,
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'batch' as const,
        'batch' as const,
        'finish' as const,
        'rewrap-all' as const,
        'rewrap-root' as const,
        'lose-keys' as const,
      ),
    }),
  },
);

/** What is in memory is wrapped by a key that is destroyed within the second in which memory counts. */
const REWRAPPED_THIS_SECOND: Step[] = [
  { kind: 'store', name: 'a/x', value: 0 },
  { kind: 'rotate', namespace: 'a' },
  { kind: 'rewrap', namespace: 'a' },
  { kind: 'rotate', namespace: 'a' },
  { kind: 'store', name: 'a/x', value: 0 },
  { kind: 'batch' },
  { kind: 'destroy', namespace: 'a' },
  { kind: 'lose-keys' },
];

/** What a step may be told besides success. */
const REFUSALS: Partial<Record<Step['kind'], readonly string[]>> = {
  delete: ['CREDENTIAL_NOT_FOUND'],
  'reencrypt-one': ['CREDENTIAL_NOT_FOUND', 'KEY_JOB_RUNNING'],
  rotate: ['NAMESPACE_NOT_FOUND'],
  rewrap: ['NAMESPACE_NOT_FOUND', 'KEY_JOB_RUNNING'],
  reencrypt: ['NAMESPACE_NOT_FOUND', 'KEY_JOB_RUNNING'],
  destroy: ['NAMESPACE_NOT_FOUND', 'KEY_IN_USE'],
  'rewrap-all': ['KEY_JOB_RUNNING'],
  'rewrap-root': ['KEY_JOB_RUNNING'],
};

describe('keys in any history', () => {
  let postgres: TestPostgres;
  let vault: PostgresVault;
  let keys: KeyVault;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    await migrateVault(postgres);
    vault = await openPostgresVault(postgres);
    keys = openKeyVault(vault, 2);
  }, 60_000);
  afterAll(async () => {
    await vault.close();
    await postgres.stop();
  });

  let runs = 0;
  it('open every live version after every step, and every version at the end', async () => {
    const seed = Number(process.env.KEYMESH_SEED ?? Date.now() % 1_000_000);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 40 }), async (steps) => {
        runs += 1;
        const model = new Map<string, string[]>();
        for (const one of steps) {
          await doStep(inRun(one), model);
          for (const [credential, values] of model) await expectOpen(credential, values);
        }
        await keys.finish();
        expect(await vault.verify()).toEqual([]);
        for (const of of NAMESPACES.map((space) => `r${String(runs)}/${space}`)) await expectMoved(of);
      }),
      { numRuns: process.env.SLOW === '1' ? 200 : 15, seed, examples: [[REWRAPPED_THIS_SECOND]] },
    );
    expect(runs).toBeGreaterThan(10);
  }, 300_000);

  const inRun = (one: Step): Step => ({
    ...one,
    ...('name' in one ? { name: `r${String(runs)}/${one.name}` } : {}),
    ...('namespace' in one ? { namespace: `r${String(runs)}/${one.namespace}` } : {}),
  });

  async function doStep(one: Step, model: Map<string, string[]>): Promise<void> {
    try {
      await act(one, model);
    } catch (error) {
      if (!KeymeshError.is(error)) throw error;
      expect({ step: one.kind, refusals: REFUSALS[one.kind] ?? [] }).toEqual({
        step: one.kind,
        refusals: expect.arrayContaining([error.code]) as unknown,
      });
    }
  }

  async function act(one: Step, model: Map<string, string[]>): Promise<unknown> {
    const by = callBy('operator');
    switch (one.kind) {
      case 'store': {
        const value = `value-${String(one.value)}-${String(model.get(one.name)?.length ?? 0)}`;
        await vault.store(
          { name: one.name, type: 'generic', values: { value: text(value) }, expectedVersion: 'any' },
          by,
        );
        return model.set(one.name, [...(model.get(one.name) ?? []), value]);
      }
      case 'delete':
        await vault.remove({ name: one.name }, by);
        return model.delete(one.name);
      case 'reencrypt-one':
        return keys.reencrypt({ name: one.name }, by);
      case 'rotate':
        return keys.rotate({ namespace: one.namespace }, by);
      case 'rewrap':
        return keys.rewrap({ namespace: one.namespace, root: false }, by);
      case 'reencrypt':
        return keys.reencrypt({ namespace: one.namespace }, by);
      case 'cancel': {
        const job = (await keys.running()).find(({ namespace: of }) => of === one.namespace);
        return job === undefined ? undefined : keys.cancel({ jobId: job.jobId }, by);
      }
      case 'destroy': {
        const oldest = (await keys.status({ namespace: one.namespace }, by)).keks.find(
          ({ state }) => state !== 'destroyed',
        );
        return keys.destroy({ namespace: one.namespace, version: oldest?.version ?? 1 }, by);
      }
      case 'rewrap-all':
        return keys.rewrap({ root: false }, by);
      case 'rewrap-root':
        return keys.rewrap({ root: true }, by);
      case 'batch':
        return keys.step();
      case 'finish':
        return keys.finish();
      case 'lose-keys':
        vault.keyring.drop();
        return undefined;
    }
  }

  /** The current and the previous version are what was stored last and before. */
  async function expectOpen(credential: string, values: readonly string[]): Promise<void> {
    const read = async (stage: 'current' | 'previous') =>
      textOf((await vault.retrieve({ name: credential, stage }, callBy('operator'))).values.value);
    expect(await read('current')).toBe(values.at(-1));
    if (values.length > 1) expect(await read('previous')).toBe(values.at(-2));
  }

  /** A rotation and a rewrap leave nothing under an older key, which can then be destroyed. */
  async function expectMoved(of: string): Promise<void> {
    const by = () => callBy('operator');
    if ((await keys.status({ namespace: of }, by())).keks.length === 0) return;
    await keys.rotate({ namespace: of }, by());
    await keys.rewrap({ namespace: of, root: false }, by());
    await keys.finish();
    const { keks } = await keys.status({ namespace: of }, by());
    const retired = keks.filter(({ state }) => state === 'retired');
    expect(retired.map(({ rows }) => rows)).toEqual(retired.map(() => 0));
    for (const { version } of retired) await keys.destroy({ namespace: of, version }, by());
    expect(await vault.verify()).toEqual([]);
  }
});
