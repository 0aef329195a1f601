import {
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  hkdfSync,
  verify,
} from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { toBase64Url, toHex, verifyingKeyOf } from '@keymesh/kernel';
import { openGcm, sealGcm } from '../src/aes-gcm.js';
import { deriveRootKey } from '../src/root.js';
import { hex, refusal, secretOf } from './support.js';

// Project Wycheproof's vectors; `npm test` provides them (scripts/provision/wycheproof.mjs).
const TOOLS = join(import.meta.dirname, '../../../.keymesh-tools/wycheproof');
const FOLDER = process.env.KEYMESH_WYCHEPROOF ?? join(TOOLS, readdirSync(TOOLS)[0] ?? '');

interface Vector extends Record<
  'key' | 'iv' | 'aad' | 'msg' | 'ct' | 'tag' | 'ikm' | 'salt' | 'info' | 'okm',
  string
> {
  readonly tcId: number;
  readonly comment: string;
  readonly result: 'valid' | 'invalid' | 'acceptable';
  readonly size: number;
  readonly password: string;
  readonly iterationCount: number;
  readonly dkLen: number;
  readonly dk: string;
  readonly public: string;
  readonly private: string;
  readonly shared: string;
  readonly sig: string;
}
interface Group {
  readonly ivSize: number;
  readonly keySize: number;
  readonly tagSize: number;
  readonly publicKey: { readonly pk: string };
  readonly tests: readonly Vector[];
}

/** Runs all vectors of a file; what is wrong is told by its number. @returns how many were run. */
function runAll(name: string, check: (vector: Vector, group: Group) => boolean | undefined): number {
  const file = JSON.parse(readFileSync(join(FOLDER, `${name}_test.json`), 'utf8')) as { testGroups: Group[] };
  const results = file.testGroups.flatMap((group) =>
    group.tests.map((vector) => ({ is: check(vector, group), of: `${vector.tcId}: ${vector.comment}` })),
  );
  expect(results.filter(({ is }) => is === false).map(({ of }) => of)).toEqual([]);
  return results.filter(({ is }) => is !== undefined).length;
}

const resultOf = (work: () => Uint8Array): string | undefined => {
  try {
    return toHex(work());
  } catch {
    return undefined;
  }
};

describe('Wycheproof:', () => {
  test('AES-256-GCM: valid ones open and are sealed the same; every other is refused, other nonce and tag lengths too', () => {
    const run = runAll('aes_gcm', (vector, { ivSize, keySize, tagSize }) => {
      if (keySize !== 256) return undefined;
      const [key, iv, aad] = [createSecretKey(hex(vector.key)), hex(vector.iv), hex(vector.aad)];
      const sealed = hex(vector.ct + vector.tag);
      if (vector.result === 'valid' && ivSize === 96 && tagSize === 128)
        return (
          resultOf(() => openGcm(key, iv, aad, sealed)) === vector.msg &&
          resultOf(() => sealGcm(key, iv, aad, hex(vector.msg))) === toHex(sealed)
        );
      return refusal(() => openGcm(key, iv, aad, sealed)) === 'DECRYPTION_FAILED';
    });
    expect(run).toBeGreaterThan(100);
  });

  test.each(['sha256', 'sha512'])('HKDF with %s', (hash) => {
    const run = runAll(`hkdf_${hash}`, ({ ikm, salt, info, size, okm, result }) => {
      const made = resultOf(() => new Uint8Array(hkdfSync(hash, hex(ikm), hex(salt), hex(info), size)));
      return made === (result === 'valid' ? okm : undefined);
    });
    expect(run).toBeGreaterThan(80);
  });

  test('PBKDF2-HMAC-SHA256, as the local root derives', async () => {
    const derived: Promise<boolean>[] = [];
    const run = runAll('pbkdf2_hmacsha256', ({ password, salt, iterationCount, dkLen, dk }) => {
      if (dkLen < 32) return undefined;
      const key = deriveRootKey(secretOf(hex(password)), hex(salt), iterationCount);
      derived.push(key.then((made) => made.export().toString('hex') === dk.slice(0, 64)));
      return true;
    });
    expect(run).toBeGreaterThan(30);
    expect((await Promise.all(derived)).every(Boolean)).toBe(true);
  });

  test('Ed25519: every signature that is not the one is refused', () => {
    const run = runAll('ed25519', ({ msg, sig, result }, { publicKey }) => {
      const key = verifyingKeyOf(toBase64Url(hex(publicKey.pk)));
      const holds = key !== undefined && sig.length === 128 && verify(null, hex(msg), key, hex(sig));
      return holds === (result === 'valid');
    });
    expect(run).toBeGreaterThan(140);
  });

  test('X25519: the same secret, and none where it would be zero', () => {
    const keyOf = (prefix: string, raw: string) => Buffer.from(prefix + raw, 'hex');
    const run = runAll('x25519', (vector) => {
      const made = resultOf(() =>
        diffieHellman({
          privateKey: createPrivateKey({
            key: keyOf('302e020100300506032b656e04220420', vector.private),
            format: 'der',
            type: 'pkcs8',
          }),
          publicKey: createPublicKey({
            key: keyOf('302a300506032b656e032100', vector.public),
            format: 'der',
            type: 'spki',
          }),
        }),
      );
      return made === (/^0+$/.test(vector.shared) ? undefined : vector.shared);
    });
    expect(run).toBeGreaterThan(500);
  });
});
