import { describe, expect, test } from '@jest/globals';
import { signingKeyOf, toHex, verifyingKeyOf, toBase64Url } from '@keymesh/kernel';
import {
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  hkdfSync,
  pbkdf2Sync,
  sign,
  verify,
} from 'node:crypto';
import { hex, refusal, secretOf } from '../test/support.js';
import { openGcm, sealGcm } from './aes-gcm.js';
import { deriveRootKey } from './root.js';

const K = 'feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308';
const P =
  'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255';
const C =
  '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad';

// SOURCE: McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B, AES-256 with 96-bit nonces.
describe.each([
  [
    13,
    { k: '00'.repeat(32), n: '00'.repeat(12), a: '', p: '', c: '', t: '530f8afbc74536b9a963b4f1c4cb738b' },
  ],
  [
    14,
    {
      k: '00'.repeat(32),
      n: '00'.repeat(12),
      a: '',
      p: '00'.repeat(16),
      c: 'cea7403d4d606b6e074ec5d3baf39d18',
      t: 'd0d1c8a799996bf0265b98b5d48ab919',
    },
  ],
  [15, { k: K, n: 'cafebabefacedbaddecaf888', a: '', p: P, c: C, t: 'b094dac5d93471bdec1a502270e3cc6c' }],
  [
    16,
    {
      k: K,
      n: 'cafebabefacedbaddecaf888',
      a: 'feedfacedeadbeeffeedfacedeadbeefabaddad2',
      p: P.slice(0, 120),
      c: C.slice(0, 120),
      t: '76fc6ece0f4e1768cddf8853bb2d551b',
    },
  ],
])('AES-256-GCM, test case %i', (_, { k, n, a, p, c, t }) => {
  const key = createSecretKey(hex(k));
  test('seals and opens', () => {
    expect(toHex(sealGcm(key, hex(n), hex(a), hex(p)))).toBe(c + t);
    expect(toHex(openGcm(key, hex(n), hex(a), hex(c + t)))).toBe(p);
  });

  test('refuses every shorter tag, 4 bytes too, and every other nonce length', () => {
    for (let size = 0; size < 16; size++)
      expect(refusal(() => openGcm(key, hex(n), hex(a), hex(c + t.slice(0, 2 * size))))).toBe(
        'DECRYPTION_FAILED',
      );
    for (const size of [0, 1, 8, 11, 13, 16]) {
      expect(refusal(() => openGcm(key, new Uint8Array(size), hex(a), hex(c + t)))).toBe('DECRYPTION_FAILED');
      expect(refusal(() => sealGcm(key, new Uint8Array(size), hex(a), hex(p)))).toBe('DECRYPTION_FAILED');
    }
  });
});

// SOURCE: RFC 5869 appendix A.1 to A.3 (SHA-256).
describe.each([
  [
    1,
    '0b'.repeat(22),
    '000102030405060708090a0b0c',
    'f0f1f2f3f4f5f6f7f8f9',
    '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
  ],
  [
    3,
    '0b'.repeat(22),
    '',
    '',
    '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8',
  ],
])('HKDF, test case %i', (_, ikm, salt, info, okm) => {
  test('derives', () => {
    expect(toHex(new Uint8Array(hkdfSync('sha256', hex(ikm), hex(salt), hex(info), 42)))).toBe(okm);
  });
});

// SOURCE: RFC 7914 section 11. The derivation here gives 32 bytes: the first half of theirs.
test.each([
  [
    'passwd',
    'salt',
    1,
    '55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783',
  ],
  [
    'Password',
    'NaCl',
    80_000,
    '4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d',
  ],
])('PBKDF2-HMAC-SHA256 of %s', async (password, salt, iterations, bits) => {
  const key = await deriveRootKey(secretOf(password), Buffer.from(salt), iterations);
  expect(key.export().toString('hex')).toBe(bits.slice(0, 64));
  expect(pbkdf2Sync(password, salt, iterations, 64, 'sha256').toString('hex')).toBe(bits);
});

// SOURCE: RFC 8032 section 7.1.
test.each([
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
  [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  ],
])('Ed25519 of seed %s', (seed, publicKey, message, signature) => {
  const key = signingKeyOf(secretOf(hex(seed)));
  expect(key.publicKeyText).toBe(toBase64Url(hex(publicKey)));
  expect(sign(null, hex(message), key.privateKey).toString('hex')).toBe(signature);
  expect(verify(null, hex(message), verifyingKeyOf(key.publicKeyText)!, hex(signature))).toBe(true);
});

// SOURCE: RFC 7748 section 6.1.
test('X25519 gives both sides the same secret', () => {
  const privateKey = (raw: string) =>
    createPrivateKey({
      key: Buffer.from(`302e020100300506032b656e04220420${raw}`, 'hex'),
      format: 'der',
      type: 'pkcs8',
    });
  const alice = privateKey('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a');
  const bob = privateKey('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb');
  const secret = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742';
  expect(diffieHellman({ privateKey: alice, publicKey: createPublicKey(bob) }).toString('hex')).toBe(secret);
  expect(diffieHellman({ privateKey: bob, publicKey: createPublicKey(alice) }).toString('hex')).toBe(secret);
});
