import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FAULTS, makeWorld, type Fault, type World } from '../../test/support/simulated-world.js';
import { makeGeneratedAdapter } from '../adapters/generated.js';
import { makePostgresRoleAdapter } from '../adapters/postgres-role.js';
import { isOpen, nextAfter, type Workflow } from '../domain/workflow.js';
import { makeRunStep } from './run-step.js';

const limits = { maxAttempts: 3, firstDelayMs: 1, maxDelayMs: 1 };
const fresh: Workflow = {
  rotationId: '01890000-0000-7000-8000-000000000001',
  credentialId: '01890000-0000-7000-8000-000000000002',
  adapter: 'postgres-role',
  settings: { host: '127.0.0.1', port: 5432, database: 'app' },
  fromVersion: 1,
  version: null,
  state: 'create',
  providerTouched: false,
  attempts: 0,
  reason: null,
  failedStep: null,
  rollbackReason: null,
};

const current = (world: World) => [...world.versions.values()].filter(({ stage }) => stage === 'current');

/** INVARIANT under test: one current version, and the provider accepts a version that the vault still has. */
function expectWorking(world: World): void {
  expect(current(world)).toHaveLength(1);
  const usable = [...world.versions.values()].filter(
    ({ stage }) => stage === 'current' || stage === 'pending',
  );
  expect(usable.map(({ password }) => password)).toContain(world.providerPassword);
}

/** Runs a rotation to its end: a crash loses whatever was not committed, and the next process goes on from the row. */
async function rotate(faults: readonly Fault[], ofPromotions: readonly Fault[] = []) {
  let at = 0;
  let promotions = 0;
  const { world, vault, server } = makeWorld(
    (operation) =>
      (operation === 'promote' ? ofPromotions[promotions++] : undefined) ?? faults[at++] ?? 'none',
  );
  let row = fresh;
  const commit = (next: Workflow): void => {
    const fault = world.crashed ? 'crash-before' : (faults[at++] ?? 'none');
    if (fault === 'crash-before' || fault === 'fails') world.crashed = true;
    else row = next;
    if (fault === 'crash-after' || fault === 'lost') world.crashed = true;
  };
  const visited: string[] = [];
  for (let step = 0; isOpen(row.state); step += 1) {
    expect(step).toBeLessThan(500);
    const runStep = makeRunStep(vault, {
      generated: makeGeneratedAdapter(vault),
      'postgres-role': makePostgresRoleAdapter(vault, server),
    });
    visited.push(row.state);
    const outcome = await runStep(row, {
      signal: new AbortController().signal,
      markTouched: () => {
        commit({ ...row, providerTouched: true });
        return world.crashed ? Promise.reject(new Error('dead')) : Promise.resolve();
      },
    });
    expectWorking(world);
    if (!world.crashed) {
      const { delayMs: _delay, providerRestored, ...change } = nextAfter(row, outcome, limits);
      commit({ ...row, ...change, providerTouched: row.providerTouched && !providerRestored });
    }
    world.crashed = false; // the next process
  }
  return { world, row, visited };
}

describe('a rotation of a PostgreSQL role', () => {
  it('ends with the new password current and valid when nothing fails', async () => {
    const { world, row, visited } = await rotate([]);
    expect(visited).toEqual(['create', 'set', 'test', 'finish']);
    expect(row).toMatchObject({ state: 'done', version: 2 });
    expect(current(world)[0]?.password).toBe(world.providerPassword);
    expect(world.providerPassword).toBe('new-password-2');
  });

  // Guarantee: whatever fails or dies, and whenever, consumers always find one version that works.
  it('always leaves one working version, and ends done or failed', async () => {
    const fault = fc.oneof(
      { weight: 6, arbitrary: fc.constant<Fault>('none') },
      {
        weight: 4,
        arbitrary: fc.constantFrom<Fault>(...FAULTS),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fault, { maxLength: 60 }), async (faults) => {
        const { world, row } = await rotate(faults);
        expect(['done', 'failed']).toContain(row.state);
        expect(current(world)[0]?.password).toBe(world.providerPassword);
        expect(world.providerPassword === 'old-password').toBe(row.state === 'failed');
        const pending = [...world.versions.values()].filter(({ stage }) => stage === 'pending');
        expect(pending).toEqual([]);
      }),
      { numRuns: process.env.SLOW === '1' ? 50_000 : 3_000 },
    );
  });

  // Guarantee: a single fault at each operation in turn is survived, so the random search cannot have missed a position.
  it('survives every single fault at every operation', async () => {
    for (const fault of FAULTS) {
      for (let position = 0; position < 25; position += 1) {
        const faults = Array.from({ length: 25 }, (_, at): Fault => (at === position ? fault : 'none'));
        const { world } = await rotate(faults);
        expect(current(world)[0]?.password).toBe(world.providerPassword);
      }
    }
  });
});

describe('a promotion whose answer is lost', () => {
  it('is asked for again until it is known, however often', async () => {
    const { row, world } = await rotate([], Array<Fault>(20).fill('lost'));
    expect(row.state).toBe('done');
    expect(current(world)[0]?.password).toBe(world.providerPassword);
  });

  // Guarantee: the old password is not restored at the provider once the vault serves the new one.
  it('is not undone when asking again is refused', async () => {
    const { row, world } = await rotate([], ['lost', 'refused']);
    expect(row).toMatchObject({ state: 'done', reason: null });
    expect(current(world)[0]?.password).toBe('new-password-2');
    expect(world.providerPassword).toBe('new-password-2');
  });
});

describe('a rotation of a generated value', () => {
  it('is rolled back when the new version is shorter than generated ones are', async () => {
    const { vault, world } = makeWorld(() => 'none');
    world.versions.set(2, { stage: 'pending', password: 'short' });
    const runStep = makeRunStep(vault, {
      generated: makeGeneratedAdapter(vault),
      'postgres-role': makePostgresRoleAdapter(vault),
    });
    const hands = { signal: new AbortController().signal, markTouched: () => Promise.resolve() };
    const workflow: Workflow = { ...fresh, adapter: 'generated', state: 'test', version: 2 };
    expect(await runStep(workflow, hands)).toEqual({ kind: 'refused', reason: 'TEST_FAILED' });
    world.versions.set(2, { stage: 'pending', password: 'long enough and new' });
    expect(await runStep(workflow, hands)).toEqual({ kind: 'done' });
  });
});
