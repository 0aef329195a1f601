import { describe, expect, it } from '@jest/globals';
import { makeSigningKey, SECOND } from '@keymesh/kernel';
import { encodeRiskScores } from '@keymesh/mesh';
import { makeTestClock } from '@keymesh/testing';
import fc from 'fast-check';
import type { CurrentPolicy } from './policy-holder.js';
import { makeRiskWatch } from './risk-watch.js';

const detector = makeSigningKey().key;
const stranger = makeSigningKey().key;

function setUp() {
  const clock = makeTestClock();
  // The watch looks for the detector's keys alone.
  const directory = {
    meshId: 'mesh',
    find: (name: string) =>
      name === '_anomaly-detector' ? { channelKeys: [detector.publicKeyText] } : undefined,
  };
  const watch = makeRiskWatch({ findPolicy: () => ({ directory }) as unknown as CurrentPolicy }, clock);
  const say = (
    scores: Record<string, number>,
    { key = detector, meshId = 'mesh', atMs = clock.now() } = {},
  ) => encodeRiskScores({ v: 1, meshId, at: new Date(atMs).toISOString(), scores }, key);
  return { clock, watch, say };
}

describe('the risk of principals', () => {
  it('is what the detector signed last; 0 for who is not named; unknown before it spoke and when it is away', () => {
    const { clock, watch, say } = setUp();
    expect(watch.riskOf('billing')).toBeUndefined();
    watch.heard(say({ billing: 70 }));
    expect([watch.riskOf('billing'), watch.riskOf('other'), watch.riskOf('constructor')]).toEqual([70, 0, 0]);
    clock.advance(5 * SECOND);
    watch.heard(say({ other: 3 }));
    expect([watch.riskOf('billing'), watch.riskOf('other')]).toEqual([0, 3]);
    clock.advance(21 * SECOND);
    expect(watch.riskOf('billing')).toBeUndefined();
  });

  it('is not taken from anybody else, of another mesh, of another time, or played again', () => {
    const { clock, watch, say } = setUp();
    const old = say({});
    clock.advance(SECOND);
    watch.heard(say({ billing: 70 }));
    for (const forged of [
      old,
      say({}, { key: stranger, atMs: clock.now() + 10 }),
      say({}, { meshId: 'other', atMs: clock.now() + 10 }),
      say({}, { atMs: clock.now() + 3_600_000 }),
      say({ billing: 1 }),
    ])
      watch.heard(forged);
    expect(watch.riskOf('billing')).toBe(70);
  });

  it('survives any bytes', () => {
    const { watch, say } = setUp();
    watch.heard(say({ billing: 70 }));
    const good = say({ billing: 1 });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(good.length - 1), (bytes, at) => {
        watch.heard(bytes);
        const flipped = Uint8Array.from(good);
        flipped[at]! ^= 1;
        watch.heard(flipped);
        expect(watch.riskOf('billing')).toBe(70);
      }),
    );
  });
});
