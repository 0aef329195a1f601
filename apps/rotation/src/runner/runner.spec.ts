import { describe, expect, it } from '@jest/globals';
import { eventually } from '@keymesh/testing';
import type { Change, StepOutcome, Workflow } from '../domain/workflow.js';
import { makeRunner, type Leased, type RunnerStore } from './runner.js';

const fresh: Workflow = {
  rotationId: '01890000-0000-7000-8000-000000000001',
  credentialId: '01890000-0000-7000-8000-000000000002',
  adapter: 'generated',
  settings: {},
  fromVersion: 1,
  version: null,
  state: 'create',
  providerTouched: false,
  attempts: 0,
  reason: null,
  failedStep: null,
  rollbackReason: null,
};
const options = {
  limits: { maxAttempts: 2, firstDelayMs: 1, maxDelayMs: 1 },
  stepTimeoutMs: 1_000,
  pollMs: 5,
  concurrency: 2,
  random: () => 0.5,
};

/** One workflow in memory; `claimable` is what the lease is in the database. */
function makeStore(overrides: Partial<RunnerStore<Leased>> = {}) {
  let row = fresh;
  let claimable = true;
  const committed: Change[] = [];
  const store: RunnerStore<Leased> = {
    claimDue: () => {
      if (!claimable || row.state === 'done' || row.state === 'failed') return Promise.resolve(undefined);
      claimable = false;
      return Promise.resolve({ workflow: row });
    },
    touchProvider: () => Promise.resolve(true),
    saveChange: (_leased, change) => {
      committed.push(change);
      const { delayMs, providerRestored: _restored, ...fields } = change;
      row = { ...row, ...fields };
      if (delayMs > 0) claimable = true;
      return Promise.resolve(row);
    },
    ...overrides,
  };
  return { store, committed, row: () => row };
}
const quiet = { onStep: () => undefined, onError: () => undefined };

describe('the runner', () => {
  it('runs each step only after the state that names it was committed', async () => {
    const { store, committed } = makeStore();
    const seen: [string, string][] = [];
    const runner = makeRunner(
      store,
      (workflow) => {
        seen.push([workflow.state, committed.at(-1)?.state ?? 'create']);
        return Promise.resolve<StepOutcome>({ kind: 'done', version: 2 });
      },
      quiet,
      options,
    );
    runner.start();
    await eventually(() => expect(committed.at(-1)?.state).toBe('done'));
    await runner.stop();
    expect(seen.map(([state]) => state)).toEqual(['create', 'set', 'test', 'finish']);
    for (const [running, lastCommitted] of seen) expect(running).toBe(lastCommitted);
  });

  it('claims again what waits after a failure, and rolls back when it fails too often', async () => {
    const { store, row } = makeStore();
    const runner = makeRunner(
      store,
      ({ state }) =>
        Promise.resolve<StepOutcome>(
          state === 'rollback' ? { kind: 'done' } : { kind: 'retry', reason: 'X' },
        ),
      quiet,
      options,
    );
    runner.start();
    await eventually(() =>
      expect(row()).toMatchObject({ state: 'failed', reason: 'X', failedStep: 'create' }),
    );
    await runner.stop();
  });

  // Guarantee: an instance that was paused past its lease neither touches the provider nor goes on.
  it('stops working on a workflow whose lease is lost', async () => {
    const { store } = makeStore({
      touchProvider: () => Promise.resolve(false),
      saveChange: () => Promise.resolve(undefined),
    });
    let steps = 0;
    let changed = false;
    const runner = makeRunner(
      store,
      async (_workflow, { markTouched }) => {
        steps += 1;
        try {
          await markTouched();
          changed = true;
        } catch {
          return { kind: 'retry', reason: 'ROTATION_IN_PROGRESS' };
        }
        return { kind: 'done' };
      },
      quiet,
      options,
    );
    runner.start();
    await eventually(() => expect(steps).toBe(1));
    await runner.stop();
    expect({ steps, changed }).toEqual({ steps: 1, changed: false });
  });

  it('goes on after the store was away', async () => {
    const memory = makeStore();
    let failures = 0;
    const errors: unknown[] = [];
    const runner = makeRunner(
      {
        ...memory.store,
        claimDue: () => (++failures < 3 ? Promise.reject(new Error('away')) : memory.store.claimDue()),
      },
      () => Promise.resolve<StepOutcome>({ kind: 'done', version: 2 }),
      { ...quiet, onError: (error) => void errors.push(error) },
      options,
    );
    runner.start();
    await eventually(() => expect(memory.row().state).toBe('done'));
    await runner.stop();
    expect(errors).toHaveLength(2);
  });
});
