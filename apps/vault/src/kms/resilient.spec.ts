import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { failure } from '@keymesh/contracts';
import { Secret } from '@keymesh/kernel';
import { expectCode, makeTestClock, type TestClock } from '@keymesh/testing';
import { makeMemberKms, type MemberControl } from '../../test/support/member-kms.js';
import type { Kms } from './kms.js';
import { FAILURES_TO_OPEN, makeResilient, MAX_CALLS, REST_MS } from './resilient.js';

const context = { purpose: 'kek' };
const key = () => new Secret(new Uint8Array(32).fill(7), 'kek');
const DEADLINE_MS = 60;

describe('a KMS that is looked after', () => {
  let clock: TestClock;
  let control: MemberControl;
  let bare: Kms;
  let kms: Kms;
  let wrapped: Uint8Array;
  const unwrap = (of = kms) => of.unwrapKey(wrapped, context);

  beforeEach(async () => {
    clock = makeTestClock();
    ({ kms: bare, control } = makeMemberKms('kms-a'));
    kms = makeResilient(bare, { clock, deadlineMs: DEADLINE_MS });
    wrapped = await bare.wrapKey(key(), context);
    control.calls = 0;
  });
  const open = async () => {
    control.away = true;
    for (let call = 0; call < FAILURES_TO_OPEN; call += 1) await expectCode(unwrap(), 'KMS_UNAVAILABLE');
  };

  it('is the same KMS while it works', async () => {
    expect((await unwrap()).equals(key())).toBe(true);
    const own = await kms.wrapKey(key(), context);
    expect((await bare.unwrapKey(own, context)).equals(key())).toBe(true);
    expect({ provider: kms.provider, keyId: kms.keyId }).toEqual({ provider: 'kms-a', keyId: 'kms-a/1' });
  });

  it('hanging: is abandoned at the deadline, and left alone after some of that', async () => {
    control.hang = true;
    const results = await Promise.allSettled(Array.from({ length: FAILURES_TO_OPEN }, () => unwrap()));
    expect(results.map(({ status }) => status)).toEqual(Array(FAILURES_TO_OPEN).fill('rejected'));
    const error = await expectCode(unwrap(), 'KMS_UNAVAILABLE');
    expect(error.details).toEqual({ kms: 'kms-a', error: 'resting' });
    expect(control.calls).toBe(FAILURES_TO_OPEN);
  });

  it('a key that comes too late is wiped', async () => {
    let answer: (late: Secret) => void = () => undefined;
    const slow = { ...bare, unwrapKey: () => new Promise<Secret>((resolve) => (answer = resolve)) };
    await expectCode(unwrap(makeResilient(slow, { clock, deadlineMs: 5 })), 'KMS_UNAVAILABLE');
    const late = key();
    answer(late);
    await new Promise(setImmediate);
    expect(() => late.expose()).toThrow(/after dispose/);
  });

  it('down: after some failures it is asked no more, then once, and when that works by everybody', async () => {
    await open();
    control.calls = 0;
    await expectCode(unwrap(), 'KMS_UNAVAILABLE');
    clock.advance(REST_MS - 1);
    await expectCode(unwrap(), 'KMS_UNAVAILABLE');
    expect(control.calls).toBe(0);
    clock.advance(1);
    await expectCode(unwrap(), 'KMS_UNAVAILABLE');
    expect(control.calls).toBe(1); // the trial; it failed, so it rests again
    await expectCode(unwrap(), 'KMS_UNAVAILABLE');
    expect(control.calls).toBe(1);
    control.away = false;
    clock.advance(REST_MS);
    expect((await unwrap()).equals(key())).toBe(true);
    await Promise.all([unwrap(), unwrap(), unwrap()]);
    expect(control.calls).toBe(5);
  });

  it('half open, lets one call through and refuses the rest at once', async () => {
    await open();
    control.away = false;
    control.hang = true;
    control.calls = 0;
    clock.advance(REST_MS);
    const results = await Promise.allSettled([unwrap(), unwrap(), unwrap()]);
    expect(results.every(({ status }) => status === 'rejected')).toBe(true);
    expect(control.calls).toBe(1);
  });

  it('flapping: a success in between starts the count anew, so it is never left alone for nothing', async () => {
    for (let round = 0; round < 4; round += 1) {
      control.away = true;
      for (let call = 1; call < FAILURES_TO_OPEN; call += 1) await expectCode(unwrap(), 'KMS_UNAVAILABLE');
      control.away = false;
      expect((await unwrap()).equals(key())).toBe(true);
    }
    expect(control.calls).toBe(4 * FAILURES_TO_OPEN);
  });

  it('that refuses bytes has answered: many of those do not open the breaker', async () => {
    control.refuse = true;
    for (let call = 0; call < 3 * FAILURES_TO_OPEN; call += 1)
      await expectCode(unwrap(), 'DECRYPTION_FAILED');
    control.refuse = false;
    expect((await unwrap()).equals(key())).toBe(true);
  });

  it('has no queue: beyond its bound calls are refused at once', async () => {
    control.hang = true;
    const waiting = Array.from({ length: MAX_CALLS }, () => unwrap().catch(() => undefined));
    const error = await expectCode(unwrap(), 'KMS_UNAVAILABLE');
    expect(error.details).toEqual({ kms: 'kms-a', error: 'too many calls' });
    expect(control.calls).toBe(MAX_CALLS);
    await Promise.all(waiting);
  });

  it('whatever it throws, only a name of it goes on', async () => {
    const odd = makeResilient(
      { ...bare, unwrapKey: () => Promise.reject(new TypeError('with the key in it')) },
      { clock, deadlineMs: DEADLINE_MS },
    );
    const error = await expectCode(unwrap(odd), 'KMS_UNAVAILABLE');
    expect(error.details).toEqual({ kms: 'kms-a', error: 'TypeError' });
    expect(error.cause).toBeUndefined();
  });

  it('bad shares are no outage: they are told and do not open the breaker', async () => {
    const unwrapKey = jest.fn<Kms['unwrapKey']>().mockRejectedValue(failure('RECOVERY_SHARES_INVALID'));
    const bad = makeResilient({ ...bare, unwrapKey }, { clock, deadlineMs: DEADLINE_MS });
    for (let call = 0; call < 2 * FAILURES_TO_OPEN; call += 1)
      await expectCode(unwrap(bad), 'RECOVERY_SHARES_INVALID');
    expect(unwrapKey).toHaveBeenCalledTimes(2 * FAILURES_TO_OPEN);
  });
});
