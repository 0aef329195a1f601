import { describe, expect, it } from '@jest/globals';
import { failure, type CredentialMetadata } from '@keymesh/contracts';
import { DAY, HOUR, MINUTE } from '@keymesh/kernel';
import { makeTestClock } from '@keymesh/testing';
import type { RotationPast } from '../store/find-workflows.js';
import { scheduleDue } from './scheduler.js';

const START = Date.UTC(2026, 10, 22);
const credential = (fields: Partial<CredentialMetadata> = {}): CredentialMetadata => ({
  credentialId: '01890000-0000-7000-8000-000000000002',
  name: 'a',
  namespace: 'default',
  type: 'generic',
  provider: null,
  description: null,
  tags: [],
  owner: 'alice',
  label: null,
  status: 'active',
  isActive: true,
  sensitivity: null,
  strengthScore: null,
  deletedAt: null,
  recoverableUntil: null,
  version: 1,
  revision: 1,
  rotation: { adapter: 'generated' },
  createdAt: new Date(START).toISOString(),
  updatedAt: new Date(START).toISOString(),
  versionCreatedAt: new Date(START).toISOString(),
  expiresAt: null,
  ...fields,
});

function makeWorld(credentials: CredentialMetadata[], past = new Map<string, RotationPast>()) {
  const clock = makeTestClock(START);
  const started: string[] = [];
  const round = (start = (each: CredentialMetadata) => Promise.resolve(void started.push(each.name))) =>
    scheduleDue({
      clock,
      listRotatable: () => Promise.resolve(credentials),
      findPast: () => Promise.resolve(past),
      start,
    });
  return { clock, started, round };
}

describe('the scheduler', () => {
  it('starts a rotation when the interval has passed, and not a moment before', async () => {
    const { clock, started, round } = makeWorld([credential()]);
    clock.advance(30 * DAY - 1);
    expect(await round()).toBe(0);
    clock.advance(1);
    expect(await round()).toBe(1);
    expect(started).toEqual(['a']);
  });

  it('counts from the current version, however it was made', async () => {
    const { clock, round } = makeWorld([
      credential({ versionCreatedAt: new Date(START + 10 * DAY).toISOString() }),
    ]);
    clock.advance(39 * DAY);
    expect(await round()).toBe(0);
    clock.advance(DAY);
    expect(await round()).toBe(1);
  });

  it('leaves alone what is rotated on command only', async () => {
    const { clock, round } = makeWorld([
      credential({ rotation: { adapter: 'generated', intervalSeconds: 0 } }),
      credential({ rotation: null }),
      credential({ isActive: false }),
    ]);
    clock.advance(1_000 * DAY);
    expect(await round()).toBe(0);
  });

  it('does not start a second one beside an open one, here or in another instance', async () => {
    const { credentialId } = credential();
    const open = new Map([[credentialId, { isOpen: true, failures: { count: 0, lastAt: 0 } }]]);
    const here = makeWorld([credential()], open);
    here.clock.advance(31 * DAY);
    expect(await here.round()).toBe(0);
    const other = makeWorld([credential()]);
    other.clock.advance(31 * DAY);
    expect(await other.round(() => Promise.reject(failure('ROTATION_IN_PROGRESS')))).toBe(0);
  });

  it('waits longer after each failure', async () => {
    const { credentialId } = credential();
    const failed = (count: number) =>
      new Map([[credentialId, { isOpen: false, failures: { count, lastAt: START + 30 * DAY } }]]);
    for (const [count, wait] of [
      [1, HOUR],
      [2, 2 * HOUR],
      [9, DAY],
    ] as const) {
      const { clock, round } = makeWorld([credential()], failed(count));
      clock.advance(30 * DAY + wait - MINUTE);
      expect(await round()).toBe(0);
      clock.advance(MINUTE);
      expect(await round()).toBe(1);
    }
  });

  it('says so when the vault or the database fails, so that the round is reported', async () => {
    const { clock, round } = makeWorld([credential()]);
    clock.advance(31 * DAY);
    await expect(round(() => Promise.reject(failure('STORE_UNAVAILABLE')))).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    });
  });
});
