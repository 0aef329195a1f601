import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Secret } from '@keymesh/kernel';
import { makeLocalKms } from './local.js';
import type { Kms } from './kms.js';

const code = (expected: string): unknown => expect.objectContaining({ code: expected });
const context = { purpose: 'kek', namespaceId: 'n1', kekId: 'k1', kekVersion: '1' };

describe('the local KMS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keymesh-kms-'));
  const masterKeyFile = join(folder, 'master.key');
  const key = () => new Secret(new Uint8Array(32).fill(7), 'kek');
  let kms: Kms;

  beforeAll(() => {
    writeFileSync(masterKeyFile, new Uint8Array(32).fill(1), { mode: 0o600 });
    kms = makeLocalKms({ masterKeyFile });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('unwraps what it wrapped, also in another process', async () => {
    const wrapped = await kms.wrapKey(key(), context);
    expect(Buffer.from(wrapped).includes(Buffer.alloc(16, 7))).toBe(false);
    const again = makeLocalKms({ masterKeyFile });
    expect(again.keyId).toBe(kms.keyId);
    expect((await again.unwrapKey(wrapped, context)).equals(key())).toBe(true);
  });

  it('takes the fields of a context in any order, and no other context', async () => {
    const wrapped = await kms.wrapKey(key(), { b: '2', a: '1' });
    expect((await kms.unwrapKey(wrapped, { a: '1', b: '2' })).equals(key())).toBe(true);
    await expect(kms.unwrapKey(wrapped, { a: '1', b: '3' })).rejects.toEqual(code('DECRYPTION_FAILED'));
    await expect(kms.unwrapKey(wrapped, { a: '1' })).rejects.toEqual(code('DECRYPTION_FAILED'));
  });

  it('needs the passphrase as well as the file where there is one', async () => {
    const withPassphrase = makeLocalKms({ masterKeyFile, passphrase: Secret.fromText('open sesame', 'p') });
    const wrapped = await withPassphrase.wrapKey(key(), context);
    await expect(kms.unwrapKey(wrapped, context)).rejects.toEqual(code('DECRYPTION_FAILED'));
  });

  it('derives by argon2id where that is configured, and opens what either derivation wrapped', async () => {
    const passphrase = () => Secret.fromText('open sesame', 'p');
    const strong = makeLocalKms({ masterKeyFile, passphrase: passphrase(), kdf: 'argon2id' });
    const usual = makeLocalKms({ masterKeyFile, passphrase: passphrase() });
    expect(strong.keyId).toBe(usual.keyId); // one key, two derivations
    const [byStrong, byUsual] = [await strong.wrapKey(key(), context), await usual.wrapKey(key(), context)];
    expect([byStrong[0], byUsual[0]]).toEqual([2, 1]);
    expect((await usual.unwrapKey(byStrong, context)).equals(key())).toBe(true);
    expect((await strong.unwrapKey(byUsual, context)).equals(key())).toBe(true);
    await expect(kms.unwrapKey(byStrong, context)).rejects.toEqual(code('DECRYPTION_FAILED'));
  });

  it('takes only a file of 32 bytes that nobody else may read, and says which rule is broken', () => {
    const file = join(folder, 'other.key');
    expect(() => makeLocalKms({ masterKeyFile: file })).toThrow(/is not there/);
    writeFileSync(file, new Uint8Array(31), { mode: 0o600 });
    expect(() => makeLocalKms({ masterKeyFile: file })).toThrow(/32 bytes/);
    writeFileSync(file, new Uint8Array(32));
    chmodSync(file, 0o640);
    expect(() => makeLocalKms({ masterKeyFile: file })).toThrow(/chmod 600/);
    expect(() => makeLocalKms({ masterKeyFile: file })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    );
  });
});
