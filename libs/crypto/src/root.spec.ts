import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  everyBitFlipped,
  everyOtherLength,
  refusal,
  refusalAsync,
  secretOf,
  shown,
} from '../test/support.js';
import { makeKek, makeRootWrapper, type RootWrapper } from './index.js';

describe('the root key of the local KMS', () => {
  const masterKey = secretOf(new Uint8Array(32).fill(7));
  const passphrase = secretOf('correct horse battery staple');
  const kek = makeKek();
  let root: RootWrapper;
  let wrapped: Uint8Array;
  beforeAll(async () => {
    root = makeRootWrapper({ masterKey, passphrase });
    wrapped = await root.wrap('kek/a/1', kek);
  });
  afterAll(() => root.dispose());

  test('wraps and unwraps, also after a restart', async () => {
    expect(shown(await root.unwrap('kek/a/1', wrapped))).toBe(shown(kek));
    const again = makeRootWrapper({ masterKey, passphrase });
    expect(shown(await again.unwrap('kek/a/1', wrapped))).toBe(shown(kek));
  });

  test('derives once: what a restarted process wraps has the salt it unwrapped first', async () => {
    const again = makeRootWrapper({ masterKey, passphrase });
    await again.unwrap('kek/a/1', wrapped);
    const second = await again.wrap('kek/b/1', kek);
    expect(Buffer.from(second.slice(1, 33))).toEqual(Buffer.from(wrapped.slice(1, 33)));
    expect(Buffer.from(second.slice(33))).not.toEqual(Buffer.from(wrapped.slice(33)));
  });

  test('refuses another context, master key or passphrase', async () => {
    expect(await refusalAsync(root.unwrap('kek/a/2', wrapped))).toBe('DECRYPTION_FAILED');
    const others = [
      { masterKey },
      { masterKey, passphrase: secretOf('correct horse battery stapler') },
      { masterKey: secretOf(new Uint8Array(32).fill(8)), passphrase },
      { masterKey: secretOf(new Uint8Array(33).fill(7)), passphrase },
    ];
    for (const other of others)
      expect(await refusalAsync(makeRootWrapper(other).unwrap('kek/a/1', wrapped))).toBe('DECRYPTION_FAILED');
  });

  test('refuses any flipped bit outside the salt, and any other length', async () => {
    const check = async (bytes: Uint8Array) =>
      expect(await refusalAsync(root.unwrap('kek/a/1', bytes))).toBe('DECRYPTION_FAILED');
    // Each flipped salt bit costs a whole derivation, so the salt has a test of its own.
    for (const bytes of everyBitFlipped(wrapped.slice(33)))
      await check(Buffer.concat([wrapped.slice(0, 33), bytes]));
    for (const bytes of everyOtherLength(wrapped.slice(33)))
      await check(Buffer.concat([wrapped.slice(0, 33), bytes]));
    for (const bytes of everyBitFlipped(wrapped.slice(0, 1)))
      await check(Buffer.concat([bytes, wrapped.slice(1)]));
    for (let length = 0; length < 33; length++) await check(wrapped.slice(0, length));
  });

  test('refuses a changed salt, and does not take it over for its own wraps', async () => {
    const planted = Uint8Array.from(wrapped);
    planted[1]! ^= 1;
    const fresh = makeRootWrapper({ masterKey, passphrase });
    expect(await refusalAsync(fresh.unwrap('kek/a/1', planted))).toBe('DECRYPTION_FAILED');
    const next = await fresh.wrap('kek/b/1', kek);
    expect(Buffer.from(next.slice(1, 33))).not.toEqual(Buffer.from(planted.slice(1, 33)));
  });

  test('takes no master key of less than 32 bytes', () => {
    expect(refusal(() => makeRootWrapper({ masterKey: secretOf('short') }))).toBe('DECRYPTION_FAILED');
  });

  test('is of no use after it is disposed', async () => {
    const gone = makeRootWrapper({ masterKey, passphrase });
    gone.dispose();
    await expect(gone.unwrap('kek/a/1', wrapped)).rejects.toThrow();
  });
});
