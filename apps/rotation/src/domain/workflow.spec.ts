import { describe, expect, it } from '@jest/globals';
import { nextAfter, retryDelayMs, type Workflow } from './workflow.js';

const limits = { maxAttempts: 3, firstDelayMs: 1_000, maxDelayMs: 60_000 };
const workflow: Workflow = {
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

describe('a rotation', () => {
  it('goes create, set, test, finish, done', () => {
    const states = ['create', 'set', 'test', 'finish'] as const;
    const next = states.map((state) => nextAfter({ ...workflow, state }, { kind: 'done' }, limits).state);
    expect(next).toEqual(['set', 'test', 'finish', 'done']);
  });

  it('keeps the pending version that create made', () => {
    expect(nextAfter(workflow, { kind: 'done', version: 7 }, limits)).toMatchObject({
      state: 'set',
      version: 7,
    });
  });

  it('is rolled back when create, set or test fail too often, and says which and why', () => {
    for (const state of ['create', 'set', 'test'] as const) {
      const change = nextAfter({ ...workflow, state, attempts: 2 }, { kind: 'retry', reason: 'X' }, limits);
      expect(change).toMatchObject({ state: 'rollback', reason: 'X', failedStep: state, attempts: 0 });
    }
  });

  it('never gives up finish or rollback while their effect is unknown', () => {
    for (const state of ['finish', 'rollback'] as const) {
      const change = nextAfter({ ...workflow, state, attempts: 999 }, { kind: 'retry', reason: 'X' }, limits);
      expect(change).toMatchObject({ state, attempts: 1000, delayMs: 60_000 });
    }
  });

  it('is rolled back when the promotion is refused', () => {
    const change = nextAfter(
      { ...workflow, state: 'finish' },
      { kind: 'refused', reason: 'VERSION_CONFLICT' },
      limits,
    );
    expect(change).toMatchObject({ state: 'rollback', reason: 'VERSION_CONFLICT', failedStep: 'finish' });
  });

  it('ends failed after a rollback, keeping the first reason, and done when the promotion had happened', () => {
    const rolling = { ...workflow, state: 'rollback', reason: 'TEST_FAILED', failedStep: 'test' } as const;
    expect(nextAfter(rolling, { kind: 'done' }, limits)).toMatchObject({
      state: 'failed',
      reason: 'TEST_FAILED',
    });
    expect(nextAfter(rolling, { kind: 'refused', reason: 'Y' }, limits)).toMatchObject({
      state: 'failed',
      reason: 'TEST_FAILED',
      rollbackReason: 'Y',
    });
    expect(nextAfter(rolling, { kind: 'promoted' }, limits)).toMatchObject({ state: 'done', reason: null });
  });

  it('runs no step in a final state', () => {
    expect(() => nextAfter({ ...workflow, state: 'done' }, { kind: 'done' }, limits)).toThrow('final');
  });

  it('waits longer after each failure, up to the limit', () => {
    expect([1, 2, 3, 10].map((attempts) => retryDelayMs(attempts, limits))).toEqual([
      1_000, 2_000, 4_000, 60_000,
    ]);
  });
});
