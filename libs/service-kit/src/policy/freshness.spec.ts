import { describe, expect, it } from '@jest/globals';
import { DAY, HOUR, MINUTE, SECOND, type Clock } from '@keymesh/kernel';
import { NOT_ATTESTED } from '@keymesh/policy-engine';
import fc from 'fast-check';
import { askOnce, type AskAttestation } from './ask-attestation.js';
import { denyWhenTooOld, makeFreshness, type FreshnessNews } from './freshness.js';
import type { CurrentPolicy } from './policy-holder.js';

const START = Date.parse('2026-11-26T12:00:00Z');

/** Wall and monotonic clock, turned apart from each other. */
function makeClock() {
  let [wall, monotonic] = [START, 5_000_000];
  const clock: Clock = { now: () => wall, monotonic: () => monotonic };
  return {
    clock,
    pass(ms: number) {
      wall += ms;
      monotonic += ms;
    },
    setWall: (ms: number) => void (wall = ms),
  };
}

/** A service that asks as `keepAsking` does, in a time that stands still; the answers are the spec's. */
function makeAsker(attestedAtMs?: number) {
  const time = makeClock();
  const news: FreshnessNews[] = [];
  const { clock } = time;
  const freshness = makeFreshness({
    clock,
    maxAgeMs: DAY,
    attestedAtMs,
    onNews: (told) => void news.push(told),
  });
  const kept: [number, number][] = [];
  const world = {
    held: { version: 7, digest: 'seven' },
    says: { version: 7, bundleDigest: 'seven' } as Awaited<ReturnType<AskAttestation>> | undefined,
    looks: 0,
  };
  const options = {
    freshness,
    clock,
    held: () => world.held,
    look: () => void (world.looks += 1),
    keep: (version: number, atMs: number) => void kept.push([version, atMs]),
    ask: () => (world.says === undefined ? Promise.reject(new Error('silent')) : Promise.resolve(world.says)),
  };
  const run = async (ms: number): Promise<void> => {
    const until = clock.monotonic() + ms;
    for (;;) {
      const waitMs = await askOnce(options);
      if (clock.monotonic() + waitMs >= until) break;
      time.pass(waitMs);
    }
    time.pass(until - clock.monotonic());
  };
  return { ...time, freshness, news, kept, world, run, options };
}

const permits: CurrentPolicy = {
  version: 7,
  directory: {} as CurrentPolicy['directory'],
  engine: {
    bundleVersion: 7,
    decide: () => ({ effect: 'permit', bundleVersion: 7, determiningPolicies: ['role.reader'], errors: [] }),
  } as unknown as CurrentPolicy['engine'],
};
const request = {} as Parameters<CurrentPolicy['engine']['decide']>[0];

describe('the freshness of a policy bundle', () => {
  it('asks every twenty seconds, and is quiet while the policy service vouches', async () => {
    const asker = makeAsker();
    await asker.run(HOUR);
    expect(asker.kept.length).toBe(180);
    expect(asker.kept.at(-1)).toEqual([7, START + HOUR - 20 * SECOND]);
    expect(asker.news).toEqual([]);
    expect(asker.freshness.ageMs()).toBeLessThanOrEqual(20 * SECOND);
  });

  it('goes on deciding half an hour without the policy service, alarmed after a minute, once; and tells when it is back', async () => {
    const asker = makeAsker();
    const { engine } = denyWhenTooOld(permits, asker.freshness);
    await asker.run(MINUTE);
    asker.world.says = undefined;
    await asker.run(30 * SECOND);
    expect(asker.news).toEqual([]);
    await asker.run(29 * MINUTE + 30 * SECOND);
    expect(asker.news).toHaveLength(1);
    expect(asker.news[0]).toMatchObject({ kind: 'unattested', because: 'silent' });
    expect(asker.news[0]!.ageMs).toBeLessThanOrEqual(65 * SECOND);
    expect(asker.freshness.alarm()).toBe('silent');
    expect(engine.decide(request).effect).toBe('permit');
    asker.world.says = { version: 7, bundleDigest: 'seven' };
    await asker.run(MINUTE);
    expect(asker.news.slice(1)).toEqual([{ kind: 'attested', ageMs: expect.any(Number) }]);
    expect(asker.news[1]!.ageMs).toBeGreaterThanOrEqual(29 * MINUTE);
    expect(asker.freshness.alarm()).toBeUndefined();
  });

  it('permits nothing after a day, says why, and permits again within a second of the next word', async () => {
    const asker = makeAsker();
    const { engine } = denyWhenTooOld(permits, asker.freshness);
    await asker.run(MINUTE);
    asker.world.says = undefined;
    await asker.run(DAY - MINUTE);
    expect(engine.decide(request).effect).toBe('permit');
    await asker.run(2 * MINUTE);
    expect(engine.decide(request)).toEqual({
      effect: 'forbid',
      bundleVersion: 7,
      determiningPolicies: [],
      errors: [NOT_ATTESTED],
    });
    asker.world.says = { version: 7, bundleDigest: 'seven' };
    await asker.run(SECOND + 1);
    expect(engine.decide(request).effect).toBe('permit');
  });

  it('alarms after ten seconds when a newer bundle is known that does not come, looks for it, and silence does not hide it', async () => {
    const asker = makeAsker();
    asker.world.says = { version: 8, bundleDigest: 'eight' };
    await asker.run(6 * SECOND);
    expect(asker.world.looks).toBeGreaterThan(0);
    asker.world.says = undefined;
    await asker.run(10 * SECOND);
    expect(asker.news).toMatchObject([{ kind: 'unattested', because: 'held-back' }]);
    asker.world.held = { version: 8, digest: 'eight' };
    asker.world.says = { version: 8, bundleDigest: 'eight' };
    await asker.run(6 * SECOND);
    expect(asker.news.at(-1)?.kind).toBe('attested');
  });

  it.each([
    ['another bundle of the same version', { version: 7, bundleDigest: 'another' }],
    ['an older one', { version: 6, bundleDigest: 'six' }],
  ])('does not count %s', async (_what, says) => {
    const asker = makeAsker();
    asker.world.says = says;
    await asker.run(2 * MINUTE);
    expect(asker.kept).toEqual([]);
    expect(asker.news).toMatchObject([{ kind: 'unattested', because: 'differs' }]);
  });

  it('asks again at once, and doubts nothing, when a newer bundle came while the answer was under way', async () => {
    const asker = makeAsker();
    const waitMs = await askOnce({
      ...asker.options,
      ask: () => {
        asker.world.held = { version: 8, digest: 'eight' };
        return Promise.resolve({ version: 7, bundleDigest: 'seven' });
      },
    });
    expect(waitMs).toBe(0);
    expect(asker.kept).toEqual([]);
    expect(asker.news).toEqual([]);
  });

  it('counts from the question, not from the answer: what is true of then may be over by now', async () => {
    const asker = makeAsker();
    await askOnce({
      ...asker.options,
      ask: () => {
        asker.pass(2 * SECOND);
        return Promise.resolve({ version: 7, bundleDigest: 'seven' });
      },
    });
    expect(asker.freshness.ageMs()).toBe(2 * SECOND);
    expect(asker.kept).toEqual([[7, START]]);
  });

  it('begins no new day with a restart', () => {
    expect(makeAsker(START - 23 * HOUR).freshness.isTooOld()).toBe(false);
    const old = makeAsker(START - 23 * HOUR);
    old.pass(HOUR);
    expect(old.freshness.isTooOld()).toBe(true);
    expect(makeAsker(START - DAY).freshness.isTooOld()).toBe(true);
  });

  it('does not alarm at a start after days, while the policy service comes up too, though it permits nothing yet', async () => {
    const asker = makeAsker(START - 3 * DAY);
    asker.world.says = undefined;
    await asker.run(50 * SECOND);
    expect(asker.freshness.isTooOld()).toBe(true);
    expect(asker.news).toEqual([]);
    asker.world.says = { version: 7, bundleDigest: 'seven' };
    await asker.run(2 * SECOND);
    expect(asker.freshness.isTooOld()).toBe(false);
    expect(asker.news).toEqual([]);
    const lost = makeAsker(START - 3 * DAY);
    lost.world.says = undefined;
    await lost.run(62 * SECOND);
    expect(lost.news).toMatchObject([{ kind: 'unattested', because: 'silent' }]);
  });

  it('does not count a time in the future, but for what clocks differ by', () => {
    expect(makeAsker(START + HOUR).freshness.isTooOld()).toBe(true);
    expect(makeAsker(START + 30 * SECOND).freshness.ageMs()).toBe(0);
  });

  it('goes by the monotonic clock while it runs, wherever the wall clock is put', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 3 * DAY }),
        fc.integer({ min: 0, max: 2 * START }),
        (ms, wall) => {
          const asker = makeAsker(START);
          asker.setWall(wall);
          asker.pass(ms);
          expect(asker.freshness.ageMs()).toBe(ms);
          expect(asker.freshness.isTooOld()).toBe(ms >= DAY);
        },
      ),
    );
  });
});
