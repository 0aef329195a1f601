import {
  concat,
  fromBase64Url,
  lengthPrefixed,
  signingKeyOf,
  type Secret,
  type SignaturePurpose,
} from '@keymesh/kernel';
import { createHash } from 'node:crypto';

// Ed25519 is deterministic by custom only: whoever holds the seed can make more valid signatures of one message, by another
// nonce. SOURCE: RFC 8032 section 5.1.6.
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const sha512 = (bytes: Uint8Array): Buffer => createHash('sha512').update(bytes).digest();
const littleEndian = (bytes: Uint8Array): bigint =>
  BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);

function scalarOf(seed: Secret): bigint {
  const half = sha512(seed.expose()).subarray(0, 32);
  half[0]! &= 248;
  half[31] = (half[31]! & 63) | 64;
  return littleEndian(half);
}

/** A second valid signature, its nonce taken from the seed `nonce`: the public key of a seed is its scalar times the base point. */
export function otherSignatureFor(
  purpose: SignaturePurpose,
  message: Uint8Array,
  seed: Secret,
  nonce: Secret,
): Uint8Array {
  const r = fromBase64Url(signingKeyOf(nonce).publicKeyText)!;
  const a = fromBase64Url(signingKeyOf(seed).publicKeyText)!;
  const k = littleEndian(sha512(concat(r, a, lengthPrefixed(purpose, message))));
  const s = (scalarOf(nonce) + k * scalarOf(seed)) % ORDER;
  const sBytes = Buffer.from(s.toString(16).padStart(64, '0'), 'hex').reverse();
  return concat(r, sBytes);
}
