import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DAY } from '@keymesh/kernel';
import { startTestPostgres, type TestPostgres } from '@keymesh/testing';
import fc from 'fast-check';
import { callBy, text, textOf } from './fakes.js';
import { openPostgresVault, type PostgresVault } from './support/postgres-vault.js';
import { migrateVault } from './support/vault-world.js';

/** What the vault should do, as simply as it can be said. */
interface ModelCredential {
  values: string[]; // of version n at n - 1
  stages: ('pending' | 'current' | 'previous' | 'revoked')[];
  rotation: { id: string; version: number } | undefined;
  label: string | null;
  inactive: boolean;
  destroyed: Set<number>;
}
interface Model {
  readonly live: Map<string, ModelCredential>;
  /** Those that can be restored, the one deleted last at the end. */
  deleted: { readonly name: string; readonly credential: ModelCredential }[];
}

type Step =
  | {
      readonly kind: 'store';
      readonly name: string;
      readonly expected: number | 'any' | 'new';
      readonly value: number;
    }
  | { readonly kind: 'retrieve'; readonly name: string; readonly pick: 'current' | 'previous' | number }
  | { readonly kind: 'delete' | 'restore' | 'activate' | 'deactivate' | 'purge'; readonly name: string }
  | { readonly kind: 'update'; readonly name: string; readonly label: string | null }
  | { readonly kind: 'destroy'; readonly name: string; readonly version: number }
  | { readonly kind: 'prepare' | 'promote' | 'discard'; readonly name: string; readonly rotation: number };

const name = fc.constantFrom('a', 'b/x', 'b/y');
const rotation = fc.integer({ min: 1, max: 3 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('store' as const),
      name,
      value: fc.nat(),
      expected: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.constantFrom('any' as const, 'new' as const)),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('retrieve' as const),
      name,
      pick: fc.oneof(
        fc.constantFrom('current' as const, 'previous' as const),
        fc.integer({ min: 1, max: 6 }),
      ),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        ...(['delete', 'delete', 'restore', 'restore', 'activate', 'deactivate', 'purge'] as const),
      ),
      name,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('update' as const),
      name,
      label: fc.option(fc.constantFrom('one', 'two')),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('destroy' as const),
      name,
      version: fc.integer({ min: 1, max: 6 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('prepare' as const, 'promote' as const, 'discard' as const),
      name,
      rotation,
    }),
  },
);

const valueOf = (seed: number): string => `value-of-${String(seed)}-0123456789`;
const setStage = (credential: ModelCredential, version: number): void => {
  credential.stages = credential.stages.map((stage, at) => {
    if (at === version - 1) return 'current';
    return stage === 'current' ? 'previous' : stage === 'previous' ? 'revoked' : stage;
  });
};

/** @returns the outcome: a code of failure, or what is answered. */
function expectStep(model: Model, step: Step, ids: (rotation: number) => string): unknown {
  const known = model.live.get(step.name);
  switch (step.kind) {
    case 'store': {
      if (known === undefined) {
        if (typeof step.expected === 'number') return 'CREDENTIAL_NOT_FOUND';
        model.live.set(step.name, {
          ...{ values: [valueOf(step.value)], stages: ['current'], rotation: undefined },
          ...{ label: null, inactive: false, destroyed: new Set() },
        });
        return { version: 1, created: true };
      }
      if (step.expected === 'new') return 'CREDENTIAL_EXISTS';
      if (typeof step.expected === 'number' && known.stages[step.expected - 1] !== 'current')
        return 'VERSION_CONFLICT';
      if (known.stages.includes('pending')) return 'ROTATION_IN_PROGRESS';
      known.values.push(valueOf(step.value));
      known.stages.push('pending');
      setStage(known, known.values.length);
      return { version: known.values.length, created: false };
    }
    case 'retrieve': {
      if (known === undefined) return 'CREDENTIAL_NOT_FOUND';
      if (known.inactive) return 'CREDENTIAL_INACTIVE';
      if (typeof step.pick === 'number' && known.destroyed.has(step.pick)) return 'VERSION_DESTROYED';
      const at = typeof step.pick === 'number' ? step.pick - 1 : known.stages.indexOf(step.pick);
      const stage = known.stages[at];
      if (stage !== 'current' && stage !== 'previous') return 'VERSION_NOT_FOUND';
      return { version: at + 1, stage, value: known.values[at] };
    }
    case 'delete':
      if (known === undefined) return 'CREDENTIAL_NOT_FOUND';
      model.live.delete(step.name);
      known.stages = known.stages.map((stage) => (stage === 'pending' ? 'revoked' : stage));
      model.deleted.push({ name: step.name, credential: known });
      return {};
    case 'restore': {
      const last = model.deleted.findLast((each) => each.name === step.name);
      if (last === undefined) return known === undefined ? 'CREDENTIAL_NOT_FOUND' : 'CREDENTIAL_NOT_DELETED';
      if (known !== undefined) return 'CREDENTIAL_EXISTS';
      model.deleted = model.deleted.filter((each) => each !== last);
      model.live.set(step.name, last.credential);
      return { version: last.credential.stages.indexOf('current') + 1 };
    }
    case 'purge':
      model.deleted = [];
      return {};
    case 'activate':
    case 'deactivate':
      if (known === undefined) return 'CREDENTIAL_NOT_FOUND';
      known.inactive = step.kind === 'deactivate';
      return { status: known.inactive ? 'inactive' : 'active' };
    case 'update':
      if (known === undefined) return 'CREDENTIAL_NOT_FOUND';
      known.label = step.label;
      return { label: step.label, version: known.stages.indexOf('current') + 1 };
    case 'destroy': {
      if (known === undefined) return 'CREDENTIAL_NOT_FOUND';
      const stage = known.stages[step.version - 1];
      if (stage === undefined) return 'VERSION_NOT_FOUND';
      if (known.destroyed.has(step.version)) return 'VERSION_DESTROYED';
      if (stage === 'current' || stage === 'pending') return 'VERSION_IN_USE';
      known.destroyed.add(step.version);
      known.stages[step.version - 1] = 'revoked';
      return { version: step.version };
    }
    default: {
      if (known === undefined) return 'CREDENTIAL_NOT_FOUND';
      const id = ids(step.rotation);
      const own = known.rotation?.id === id ? known.rotation : undefined;
      if (step.kind === 'prepare') {
        if (own !== undefined) return { version: own.version };
        if (known.stages.includes('pending')) return 'ROTATION_IN_PROGRESS';
        known.values.push(`rotated by ${id}`);
        known.stages.push('pending');
        known.rotation = { id, version: known.values.length };
        return { version: known.values.length };
      }
      if (own === undefined) return 'VERSION_NOT_FOUND';
      const stage = known.stages[own.version - 1];
      if (step.kind === 'promote') {
        if (stage === 'revoked') return 'VERSION_CONFLICT';
        if (stage === 'pending') setStage(known, own.version);
        return { version: own.version };
      }
      if (stage === 'current' || stage === 'previous') return 'VERSION_CONFLICT';
      known.stages[own.version - 1] = 'revoked';
      return {};
    }
  }
}

describe('any history', () => {
  let postgres: TestPostgres;
  let vault: PostgresVault;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    await migrateVault(postgres);
    vault = await openPostgresVault(postgres);
  }, 60_000);
  afterAll(async () => {
    await vault.close();
    await postgres.stop();
  });

  let runs = 0;
  it('of stores, reads, rotations, deletions, restores and destructions is what the model says', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const run = String((runs += 1));
        const model: Model = { live: new Map(), deleted: [] };
        const ids = new Map<string, string>();
        // A rotation belongs to one credential; the model keeps only its newest, so each prepare after an end gets another id.
        let epoch = 0;
        const rotationId = (number: number): string =>
          `018f0000-0000-7000-8000-${run.padStart(6, '0')}${String(epoch * 10 + number).padStart(6, '0')}`;
        for (const one of steps) {
          const named = { ...one, name: `r${run}/${one.name}` } as Step;
          if (one.kind === 'prepare' && model.live.get(named.name)?.stages.includes('pending') === false)
            epoch += 1;
          const expected = expectStep(model, named, rotationId);
          const actual = await act(named, ids, rotationId);
          if (typeof expected === 'string') expect(actual).toBe(expected);
          else expect(actual).toMatchObject(withoutRotated(expected as object));
          await expectHistory(model, named.name);
        }
        expect(await vault.verify()).toEqual([]);
      }),
      { numRuns: process.env.SLOW === '1' ? 300 : 30 },
    );
    expect(vault.purgeFailures).toEqual([]);
  }, 240_000);

  /** What is told of a credential's versions is what the model has. */
  async function expectHistory({ live }: Model, named: string): Promise<void> {
    const known = live.get(named);
    if (known === undefined) return;
    const { versions } = await vault.history({ name: named }, callBy('reader'));
    expect(versions.map(({ stage, destroyedAt }) => [stage, destroyedAt !== null])).toEqual(
      known.stages.map((stage, at) => [stage, known.destroyed.has(at + 1)]),
    );
  }

  // A rotated value is random: the model knows only that it is not one of those that were stored.
  const withoutRotated = (expected: { value?: string }): object => {
    const { value, ...rest } = expected;
    return value === undefined || value.startsWith('rotated') ? rest : expected;
  };

  /** Does it for real. @returns the code of a failure, or what the model looks at. */
  async function act(
    step: Step,
    ids: Map<string, string>,
    rotationId: (rotation: number) => string,
  ): Promise<unknown> {
    try {
      switch (step.kind) {
        case 'store': {
          const reply = await vault.store(
            {
              name: step.name,
              type: 'generic',
              values: { value: text(valueOf(step.value)) },
              rotation: { adapter: 'generated' },
              ...(step.expected === 'new' ? {} : { expectedVersion: step.expected }),
            },
            callBy('writer'),
          );
          ids.set(step.name, reply.credentialId);
          return reply;
        }
        case 'retrieve': {
          const select = typeof step.pick === 'number' ? { version: step.pick } : { stage: step.pick };
          const reply = await vault.retrieve({ name: step.name, ...select }, callBy('reader'));
          return { ...reply, value: textOf(reply.values.value) };
        }
        case 'delete':
          return await vault.remove({ name: step.name }, callBy('writer'));
        case 'restore': {
          const reply = await vault.restore({ name: step.name }, callBy('writer'));
          ids.set(step.name, reply.credentialId);
          return reply;
        }
        case 'purge':
          vault.turnClock(31 * DAY);
          await vault.purge();
          return {};
        case 'update':
          return await vault.update({ name: step.name, label: step.label }, callBy('writer'));
        case 'destroy':
          return await vault.destroy({ name: step.name, version: step.version }, callBy('operator'));
        case 'activate':
        case 'deactivate':
          return await vault[step.kind]({ name: step.name }, callBy('writer'));
        default: {
          const credentialId = ids.get(step.name) ?? '018f0000-0000-7000-8000-00000000ffff';
          const of = { credentialId, rotationId: rotationId(step.rotation) };
          if (step.kind === 'prepare') return await vault.prepare(of, callBy('_rotation'));
          const prepared = await vault.listVersions(credentialId);
          const version = prepared.find((row) => row.rotationId === of.rotationId)?.version ?? 99;
          return await vault[step.kind]({ ...of, version }, callBy('_rotation'));
        }
      }
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === undefined) throw error;
      return code;
    }
  }
});
