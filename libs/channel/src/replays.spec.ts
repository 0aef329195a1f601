import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { codeOf, makeRig, REPLY, REQUEST } from '../test/rig.js';
import { WINDOW_BITS } from './limits.js';
import { makeSequenceWindow } from './sequence-window.js';

describe('the sequence window', () => {
  test('agrees with a plain set, for any order of arrival', () => {
    const step = fc.oneof(
      fc.integer({ min: -WINDOW_BITS - 50, max: 50 }),
      fc.integer({ min: -3, max: 3 }),
      fc.integer({ min: 1, max: 3 * WINDOW_BITS }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const window = makeSequenceWindow();
        const seen = new Set<number>();
        let highest = 0;
        for (const delta of steps) {
          const sequence = Math.max(1, highest + delta);
          const expected = !seen.has(sequence) && sequence > highest - WINDOW_BITS;
          expect(window.take(sequence)).toBe(expected);
          if (expected) seen.add(sequence);
          highest = Math.max(highest, expected ? sequence : 0);
          expect(window.highest()).toBe(highest);
        }
      }),
    );
  });

  test('takes each of a shuffled run exactly once', () => {
    const window = makeSequenceWindow();
    const order = Array.from({ length: WINDOW_BITS }, (_, at) => ((at * 2_731) % WINDOW_BITS) + 1);
    expect(order.filter((sequence) => window.take(sequence))).toHaveLength(WINDOW_BITS);
    expect(order.filter((sequence) => window.take(sequence))).toHaveLength(0);
  });

  test('counts everything up to its floor as seen', () => {
    const window = makeSequenceWindow(7);
    expect([7, 1, 8, 8].map((sequence) => window.take(sequence))).toEqual([false, false, true, false]);
  });
});

describe('a request', () => {
  test('opens once; byte-identical again it is REPLAYED', async () => {
    const { client, service } = await (await makeRig()).pair();
    const message = { ...REQUEST, ...client.encryptRequest(REQUEST) };
    service.decryptRequest(message);
    expect(codeOf(() => service.decryptRequest(message))).toBe('REPLAYED');
  });

  test('may overtake others', async () => {
    const { client, service } = await (await makeRig()).pair();
    const messages = Array.from({ length: 200 }, () => ({ ...REQUEST, ...client.encryptRequest(REQUEST) }));
    for (const message of messages.toReversed())
      expect(codeOf(() => service.decryptRequest(message))).toBeUndefined();
    for (const message of messages) expect(codeOf(() => service.decryptRequest(message))).toBe('REPLAYED');
  });

  test('that is older than the window is REPLAYED, never opened', async () => {
    const { client, service } = await (await makeRig()).pair();
    const old = { ...REQUEST, ...client.encryptRequest(REQUEST) };
    for (let sent = 0; sent < WINDOW_BITS; sent++) {
      service.decryptRequest({ ...REQUEST, ...client.encryptRequest(REQUEST) });
    }
    expect(codeOf(() => service.decryptRequest(old))).toBe('REPLAYED');
  });

  // Else a forger gets an authenticated REPLAYED written for a request that is still under way.
  test('that is forged under a used sequence is CHANNEL_REJECTED, not REPLAYED', async () => {
    const { client, service } = await (await makeRig()).pair();
    const used = client.encryptRequest(REQUEST);
    service.decryptRequest({ ...REQUEST, ...used });
    const forged = { ...REQUEST, ...used, requestId: 'a request under way' };
    expect(codeOf(() => service.decryptRequest(forged))).toBe('CHANNEL_REJECTED');
  });

  test('that is forged does not use up its sequence', async () => {
    const { client, service } = await (await makeRig()).pair();
    const sent = client.encryptRequest(REQUEST);
    const forged = { ...REQUEST, sequence: sent.sequence, body: new Uint8Array(64) };
    expect(codeOf(() => service.decryptRequest(forged))).toBe('CHANNEL_REJECTED');
    expect(codeOf(() => service.decryptRequest({ ...REQUEST, ...sent }))).toBeUndefined();
  });
});

describe('a reply', () => {
  test('opens once; again it is REPLAYED', async () => {
    const { client, service } = await (await makeRig()).pair();
    const first = { ...REPLY, ...service.encryptReply(REPLY) };
    const second = { ...REPLY, ...service.encryptReply(REPLY) };
    expect(codeOf(() => client.decryptReply(second))).toBeUndefined();
    expect(codeOf(() => client.decryptReply(first))).toBeUndefined();
    expect(codeOf(() => client.decryptReply(first))).toBe('REPLAYED');
  });
});
