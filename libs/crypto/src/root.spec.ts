import { argon2id } from '@noble/hashes/argon2.js';
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
import { deriveArgon2RootKey } from './root.js';

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

describe('the root key by argon2id', () => {
  const masterKey = secretOf(new Uint8Array(32).fill(7));
  const passphrase = secretOf('correct horse battery staple');
  const kek = makeKek();
  const HEADER_BYTES = 42;
  let root: RootWrapper;
  let wrapped: Uint8Array;
  beforeAll(async () => {
    root = makeRootWrapper({ masterKey, passphrase, kdf: 'argon2id' });
    wrapped = await root.wrap('kek/a/1', kek);
  });
  const withCost = (memoryKib: number, passes: number, lanes: number): Uint8Array => {
    const planted = Buffer.from(wrapped);
    planted.writeUInt32BE(memoryKib, 33);
    planted.writeUInt32BE(passes, 37);
    planted[41] = lanes;
    return planted;
  };

  test('says its cost: 64 MiB, 3 passes, 4 lanes; and opens whichever derivation is configured', async () => {
    expect(Buffer.from(wrapped.slice(33, HEADER_BYTES)).toString('hex')).toBe('000100000000000304');
    const other = makeRootWrapper({ masterKey, passphrase });
    expect(shown(await other.unwrap('kek/a/1', wrapped))).toBe(shown(kek));
    const old = await other.wrap('kek/a/1', kek);
    expect(old[0]).toBe(1);
    expect(shown(await root.unwrap('kek/a/1', old))).toBe(shown(kek));
    expect((await root.wrap('kek/b/1', kek))[0]).toBe(2);
  });

  test('takes over the salt of its own kind after a restart, and no other', async () => {
    const again = makeRootWrapper({ masterKey, passphrase, kdf: 'argon2id' });
    await again.unwrap('kek/a/1', wrapped);
    const next = await again.wrap('kek/b/1', kek);
    expect(Buffer.from(next.slice(0, HEADER_BYTES))).toEqual(Buffer.from(wrapped.slice(0, HEADER_BYTES)));
  });

  test('refuses another context, master key or passphrase', async () => {
    expect(await refusalAsync(root.unwrap('kek/a/2', wrapped))).toBe('DECRYPTION_FAILED');
    for (const other of [{ masterKey }, { masterKey: secretOf(new Uint8Array(32)), passphrase }])
      expect(await refusalAsync(makeRootWrapper(other).unwrap('kek/a/1', wrapped))).toBe('DECRYPTION_FAILED');
  });

  test('refuses any flipped bit of the box, any other length, and another cost or salt', async () => {
    const check = async (bytes: Uint8Array) =>
      expect(await refusalAsync(root.unwrap('kek/a/1', bytes))).toBe('DECRYPTION_FAILED');
    const header = wrapped.slice(0, HEADER_BYTES);
    for (const bytes of everyBitFlipped(wrapped.slice(HEADER_BYTES)))
      await check(Buffer.concat([header, bytes]));
    for (const bytes of everyOtherLength(wrapped.slice(HEADER_BYTES)))
      await check(Buffer.concat([header, bytes]));
    for (let length = 0; length < HEADER_BYTES; length++) await check(wrapped.slice(0, length));
    await check(withCost(65_536, 2, 4));
    await check(Uint8Array.from(wrapped, (byte, at) => (at === 1 ? byte ^ 1 : byte)));
  });

  // Who can write rows must not be able to make the vault work for an hour, or take all its memory.
  test.each([
    [2 ** 32 - 1, 3, 4],
    [262_145, 3, 4],
    [65_536, 2 ** 32 - 1, 4],
    [65_536, 9, 4],
    [65_536, 3, 255],
    [65_536, 3, 0],
    [65_536, 0, 4],
    [65_536, 1, 4],
    [19_455, 3, 4],
    [0, 0, 0],
  ])('derives nothing for a stored cost of %d KiB, %d passes, %d lanes', async (memory, passes, lanes) => {
    const spent = process.cpuUsage();
    expect(await refusalAsync(root.unwrap('kek/a/1', withCost(memory, passes, lanes)))).toBe(
      'DECRYPTION_FAILED',
    );
    const { user, system } = process.cpuUsage(spent);
    expect(user + system).toBeLessThan(200_000); // microseconds; a derivation is more than that
  });

  test('is argon2id as a second implementation computes it', async () => {
    const salt = new Uint8Array(32).fill(9);
    const key = await deriveArgon2RootKey(passphrase, salt, { memoryKib: 19_456, passes: 2, lanes: 1 });
    const expected = argon2id(passphrase.expose(), salt, { m: 19_456, t: 2, p: 1, dkLen: 32 });
    expect(key.export().toString('hex')).toBe(Buffer.from(expected).toString('hex'));
  }, 60_000);
});
