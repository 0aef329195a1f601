import { describe, expect, test } from '@jest/globals';
import { Secret, utf8 } from '@keymesh/kernel';
import { randomBytes } from 'node:crypto';
import { everyBitFlipped, everyOtherLength } from '../test/corrupt.js';
import { codeOf } from '../test/rig.js';
import { openWithStateKey, sealWithStateKey } from './index.js';

describe('what is sealed with a state key', () => {
  const stateKey = new Secret(randomBytes(32), 'state-key');
  const kept = utf8('an X25519 private key, 32 bytes.');
  const sealed = sealWithStateKey(stateKey, 'channel-key/vault', kept);

  test('opens with it, for the same context', () => {
    expect(Buffer.from(openWithStateKey(stateKey, 'channel-key/vault', sealed))).toEqual(Buffer.from(kept));
    expect(Buffer.from(sealed).includes('X25519')).toBe(false);
  });

  test('is refused with any bit flipped, cut, moved to another context, or under another key', () => {
    const open = (bytes: Uint8Array) => codeOf(() => openWithStateKey(stateKey, 'channel-key/vault', bytes));
    for (const { bytes } of everyBitFlipped(sealed)) expect(open(bytes)).toBe('DECRYPTION_FAILED');
    for (const bytes of everyOtherLength(sealed)) expect(open(bytes)).toBe('DECRYPTION_FAILED');
    const other = new Secret(randomBytes(32), 'state-key');
    expect(codeOf(() => openWithStateKey(stateKey, 'channel-key/audit', sealed))).toBe('DECRYPTION_FAILED');
    expect(codeOf(() => openWithStateKey(other, 'channel-key/vault', sealed))).toBe('DECRYPTION_FAILED');
  });

  test('is never the same twice', () => {
    const again = sealWithStateKey(stateKey, 'channel-key/vault', kept);
    expect(Buffer.from(again)).not.toEqual(Buffer.from(sealed));
  });
});
