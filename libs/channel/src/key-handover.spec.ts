import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { Secret, toHex } from '@keymesh/kernel';
import { everyBitFlipped, everyOtherLength } from '../test/corrupt.js';
import { handOver, makeHandoverQuestion, openWithStateKey, takeOver } from './index.js';
import { channelSuite } from './suite.js';

const CONTEXT = 'channel-key/vault/00112233445566778899aabbccddeeff';
const stateKey = new Secret(Uint8Array.from(randomBytes(32)), 'state-key');
const privateHalf = Uint8Array.from(randomBytes(32));
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'opened',
    (error: unknown) => (error as { code: string }).code,
  );

describe('a channel key on its way to another instance', () => {
  test('opens for the one that asked, which has the state key as well', async () => {
    const question = await makeHandoverQuestion();
    const answer = await handOver(stateKey, CONTEXT, question.recipient, privateHalf);
    expect(Buffer.from(answer).includes(Buffer.from(privateHalf))).toBe(false);
    expect(toHex(await takeOver(stateKey, CONTEXT, question, answer))).toBe(toHex(privateHalf));
  });

  // What is at rest in the table, together with the state key, is what a thief has a day later.
  test('does not open with the state key alone, nor with the question’s key alone', async () => {
    const question = await makeHandoverQuestion();
    const answer = await handOver(stateKey, CONTEXT, question.recipient, privateHalf);
    const later = await makeHandoverQuestion();
    expect(await codeOf(takeOver(stateKey, CONTEXT, later, answer))).toBe('DECRYPTION_FAILED');
    const claimed = { ...later, recipient: question.recipient };
    expect(await codeOf(takeOver(stateKey, CONTEXT, claimed, answer))).toBe('DECRYPTION_FAILED');
    const other = new Secret(Uint8Array.from(randomBytes(32)), 'state-key');
    expect(await codeOf(takeOver(other, CONTEXT, question, answer))).toBe('DECRYPTION_FAILED');
    expect(() => openWithStateKey(stateKey, CONTEXT, answer)).toThrow();
  });

  test('is refused with any bit flipped, cut, or for another key', async () => {
    const question = await makeHandoverQuestion();
    const answer = await handOver(stateKey, CONTEXT, question.recipient, privateHalf);
    const open = (bytes: Uint8Array, context = CONTEXT) =>
      codeOf(takeOver(stateKey, context, question, bytes));
    for (const { bytes } of everyBitFlipped(answer)) expect(await open(bytes)).toBe('DECRYPTION_FAILED');
    for (const bytes of everyOtherLength(answer)) expect(await open(bytes)).toBe('DECRYPTION_FAILED');
    expect(await open(answer, 'channel-key/vault/another')).toBe('DECRYPTION_FAILED');
  }, 30_000);

  test.each(['', 'AAAA', '!'.repeat(43), 'A'.repeat(43)])(
    'is handed to no key like %j',
    async (recipient) => {
      expect(await codeOf(handOver(stateKey, CONTEXT, recipient, privateHalf))).toBe('DECRYPTION_FAILED');
    },
  );

  test('of version 1 opens for ever', async () => {
    const golden = JSON.parse(
      readFileSync(new URL('../test/golden/handover-v1.json', import.meta.url), 'utf8'),
    ) as Record<
      'stateKey' | 'context' | 'recipient' | 'recipientPrivateKey' | 'answer' | 'plaintext',
      string
    >;
    const suite = channelSuite();
    const privateKey = await suite.DeserializePrivateKey(hex(golden.recipientPrivateKey), false);
    const publicKey = await suite.DeserializePublicKey(Buffer.from(golden.recipient, 'base64url'));
    const question = { recipient: golden.recipient, keyPair: { privateKey, publicKey } };
    const key = new Secret(hex(golden.stateKey), 'golden');
    expect(toHex(await takeOver(key, golden.context, question, hex(golden.answer)))).toBe(golden.plaintext);
  });
});
