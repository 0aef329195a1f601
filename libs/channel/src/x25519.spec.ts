import { x25519 } from '@noble/curves/ed25519.js';
import { describe, expect, test } from '@jest/globals';
import { toHex, utf8 } from '@keymesh/kernel';
import fc from 'fast-check';
import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto';
import { SMALL_ORDER_POINTS } from '../test/corrupt.js';
import { recipientExporter } from '../test/rfc9180.js';
import { channelSuite, EXPORT_LABELS } from './suite.js';

// The curve under the channel, against an implementation that shares no code with it: random keys, and every kind of odd point.
const P = 2n ** 255n - 19n;
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const littleEndian = (value: bigint): Uint8Array =>
  Uint8Array.from(Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse());
const privateKeyOf = (raw: Uint8Array): KeyObject => {
  const key = Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), raw]);
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' });
};
const publicKeyOf = (raw: Uint8Array): KeyObject => {
  const key = Buffer.concat([Buffer.from('302a300506032b656e032100', 'hex'), raw]);
  return createPublicKey({ key, format: 'der', type: 'spki' });
};
const refusedOr = (work: () => Uint8Array): string => {
  try {
    return toHex(work());
  } catch {
    return 'refused';
  }
};
const bothSides = (scalar: Uint8Array, point: Uint8Array) => ({
  ours: refusedOr(() => diffieHellman({ privateKey: privateKeyOf(scalar), publicKey: publicKeyOf(point) })),
  theirs: refusedOr(() => x25519.getSharedSecret(scalar, point)),
});

describe('X25519', () => {
  test('agrees with an independent implementation for any scalar and point, on the curve or its twist', () => {
    fc.assert(
      fc.property(bytes32, bytes32, (scalar, point) => {
        const { ours, theirs } = bothSides(scalar, point);
        expect(ours).toBe(theirs);
        expect(ours).not.toBe('00'.repeat(32));
      }),
      { numRuns: 60 },
    );
  });

  test('agrees on points that are not canonical: p and beyond, and with the highest bit set', () => {
    const scalar = Uint8Array.from({ length: 32 }, (_, at) => at);
    for (let over = 0n; over < 19n; over += 1n)
      for (const high of [0n, 1n << 255n]) {
        const { ours, theirs } = bothSides(scalar, littleEndian((P + over) | high));
        expect(ours).toBe(theirs);
      }
  });

  test.each(SMALL_ORDER_POINTS)('refuses %s, whose secret would be zero', (hex) => {
    const { ours, theirs } = bothSides(new Uint8Array(32).fill(9), Uint8Array.from(Buffer.from(hex, 'hex')));
    expect({ ours, theirs }).toEqual({ ours: 'refused', theirs: 'refused' });
  });

  test('carries the channel: what both ends export is what an implementation on the other curve code exports', async () => {
    const suite = channelSuite();
    await fc.assert(
      fc.asyncProperty(bytes32, async (scalar) => {
        const raw = x25519.getPublicKey(scalar);
        const info = utf8('spec');
        const recipient = await suite.DeserializePublicKey(raw);
        const { encapsulatedSecret, ctx } = await suite.SetupSender(recipient, { info });
        const theirs = recipientExporter(scalar, raw, encapsulatedSecret, info);
        const label = EXPORT_LABELS.request;
        expect(toHex(await ctx.Export(utf8(label), 32))).toBe(theirs(label, 32).toString('hex'));
      }),
      { numRuns: 10 },
    );
  });
});
