import { beforeEach, describe, expect, it } from '@jest/globals';
import { makeTestClock, type TestClock } from '@keymesh/testing';
import { makeBundleRollCall, type BundleRollCall } from './bundle-roll-call.js';

let clock: TestClock;
let rollCall: BundleRollCall;
const SETTLE_MS = 6_000;
const heard = (name: string, bundleVersion: number, run = name): void => {
  const [service = 'vault', instance = ''] = name.split('/');
  rollCall.heard({
    v: 1,
    meshId: 'm',
    service: service as 'vault' | 'audit',
    instance,
    run,
    bundleVersion,
  });
};

beforeEach(() => {
  clock = makeTestClock();
  rollCall = makeBundleRollCall(clock, { settleMs: SETTLE_MS, patienceMs: 50 });
  clock.advance(SETTLE_MS);
});

describe('the roll call of bundles', () => {
  it('answers at once when all decide by it already, and says when the last of them did', async () => {
    const askedAt = clock.monotonic();
    heard('vault/1', 6);
    clock.advance(20);
    heard('vault/1', 7);
    heard('audit/1', 8);
    clock.advance(30);
    heard('vault/1', 7); // says it again
    expect(await rollCall.inForce(7, askedAt)).toMatchObject({ instances: 2, withinMs: 20, unconfirmed: [] });
  });

  it('waits for the slowest, and no longer', async () => {
    heard('vault/1', 7);
    heard('vault/2', 6);
    let answered = false;
    const answer = rollCall.inForce(7, clock.monotonic()).then((told) => {
      answered = true;
      return told;
    });
    await Promise.resolve();
    expect(answered).toBe(false);
    heard('vault/2', 7);
    expect(await answer).toMatchObject({ instances: 2, unconfirmed: [] });
  });

  it('names who does not say so, and goes on', async () => {
    heard('vault/1', 7);
    heard('vault/2', 6);
    heard('audit/1', 6);
    expect(await rollCall.inForce(7, clock.monotonic())).toMatchObject({
      instances: 1,
      unconfirmed: ['audit/1', 'vault/2'],
    });
  });

  it('does not take an old word that is played again for a newer one, nor as taking a newer one back', async () => {
    heard('vault/1', 7);
    heard('vault/1', 5);
    expect(await rollCall.inForce(7, clock.monotonic())).toMatchObject({ instances: 1, unconfirmed: [] });
  });

  it('forgets who has gone, and tells two of one name apart', async () => {
    heard('vault/1', 6, 'first');
    heard('vault/1', 7, 'second');
    expect(await rollCall.inForce(7, clock.monotonic())).toMatchObject({
      instances: 1,
      unconfirmed: ['vault/1'],
    });
    clock.advance(9_000);
    heard('vault/1', 7, 'second');
    clock.advance(2_000);
    expect(await rollCall.inForce(7, clock.monotonic())).toMatchObject({ instances: 1, unconfirmed: [] });
  });

  it('waits a while for whoever has not spoken yet, right after the start', async () => {
    rollCall = makeBundleRollCall(clock, { settleMs: SETTLE_MS, patienceMs: 50 });
    heard('vault/1', 7);
    const answer = rollCall.inForce(7, clock.monotonic());
    heard('vault/2', 7);
    expect(await answer).toMatchObject({ instances: 2 });
  });
});
