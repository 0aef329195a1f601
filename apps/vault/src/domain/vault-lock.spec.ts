import { describe, expect, it } from '@jest/globals';
import { makeVaultLock, type LockState } from './vault-lock.js';

const state = (revision: number, locked: boolean): LockState => ({
  ...{ revision, locked },
  changedBy: 'operator',
  changedAtMs: 0,
});
const make = (startLocked = false) => {
  const drops: string[] = [];
  const lock = makeVaultLock({ startLocked, dropKeys: () => drops.push('dropped') });
  return { lock, drops };
};

describe('the lock of one instance', () => {
  it('is locked until it could be read for the first time', () => {
    const { lock } = make();
    expect(lock.reason()).toBe('unreadable');
    expect(() => lock.requireUnlocked()).toThrow();
    lock.see('never-set');
    expect(lock.reason()).toBeUndefined();
    lock.requireUnlocked();
  });

  it('follows commands and drops the keys once for each lock', () => {
    const { lock, drops } = make();
    lock.see('never-set');
    const before = drops.length;
    lock.see(state(1, true));
    lock.see(state(1, true));
    expect(lock.reason()).toBe('command');
    expect(drops).toHaveLength(before + 1);
    lock.see(state(2, false));
    expect(lock.reason()).toBeUndefined();
    lock.see(state(3, true));
    expect(drops).toHaveLength(before + 2);
  });

  it('stays locked after a start that finds it locked', () => {
    const { lock } = make();
    lock.see(state(7, true));
    expect(lock.reason()).toBe('command');
  });

  it('takes no older state for true: it locks until the newest is there again', () => {
    const { lock } = make();
    lock.see(state(4, false));
    lock.see(state(3, false));
    expect(lock.reason()).toBe('unreadable');
    lock.see('never-set');
    expect(lock.reason()).toBe('unreadable');
    lock.see(state(4, false));
    expect(lock.reason()).toBeUndefined();
  });

  it('locks for a damaged row, and where a command was given that cannot be read', () => {
    const { lock, drops } = make();
    lock.see(state(1, false));
    lock.see('damaged');
    expect(lock.reason()).toBe('unreadable');
    lock.see(state(1, false));
    lock.distrust();
    expect(lock.reason()).toBe('unreadable');
    expect(drops.length).toBeGreaterThanOrEqual(2);
  });

  it('starts locked where it is told to, until somebody unlocks it after this start', () => {
    const { lock } = make(true);
    lock.see(state(5, false));
    expect(lock.reason()).toBe('start');
    lock.see(state(5, false));
    expect(lock.reason()).toBe('start');
    lock.see(state(6, false));
    expect(lock.reason()).toBeUndefined();
    const fresh = make(true).lock;
    fresh.see('never-set');
    expect(fresh.reason()).toBe('start');
    fresh.see(state(1, false));
    expect(fresh.reason()).toBeUndefined();
  });
});
