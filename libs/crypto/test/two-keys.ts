import { createCipheriv } from 'node:crypto';

// Makes a GCM ciphertext that opens under two keys: what a key commitment is for. SOURCE: NIST SP 800-38D section 6.4 (GHASH);
// the idea of Grubbs, Lu and Ristenpart, "Message Franking via Committing Authenticated Encryption" (2017) and its follow-ups.

const BLOCK = 16;
const toInt = (bytes: Uint8Array): bigint =>
  BigInt(`0x${Buffer.from(bytes).toString('hex').padEnd(32, '0')}`);
const toBytes = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(32, '0'), 'hex');
const R = 0xe1n << 120n;

/** Product in GF(2^128), GCM's bit order. */
function multiply(x: bigint, y: bigint): bigint {
  let product = 0n;
  let v = y;
  for (let bit = 127n; bit >= 0n; bit--) {
    if ((x >> bit) & 1n) product ^= v;
    v = (v & 1n) === 1n ? (v >> 1n) ^ R : v >> 1n;
  }
  return product;
}

/** x^(2^128 - 2) */
function inverse(x: bigint): bigint {
  let result = 1n << 127n; // one
  let square = x;
  for (let bit = 1; bit < 128; bit++) {
    square = multiply(square, square);
    result = multiply(result, square);
  }
  return result;
}

const encryptBlock = (key: Uint8Array, block: Uint8Array): Buffer =>
  createCipheriv('aes-256-ecb', key, null).setAutoPadding(false).update(block);

const blocksOf = (bytes: Uint8Array): bigint[] =>
  Array.from({ length: Math.ceil(bytes.length / BLOCK) }, (_, at) =>
    toInt(bytes.subarray(at * BLOCK, (at + 1) * BLOCK)),
  );

/** One 16-byte ciphertext block and the tag with which it opens under both keys. */
export function ciphertextOfTwoKeys(
  keys: readonly [Uint8Array, Uint8Array],
  nonce: Uint8Array,
  aad: Uint8Array,
): Buffer {
  const lengths = Buffer.alloc(BLOCK);
  lengths.writeBigUInt64BE(BigInt(aad.length) * 8n, 0);
  lengths.writeBigUInt64BE(BigInt(BLOCK) * 8n, 8);
  const parts = keys.map((key) => {
    const h = toInt(encryptBlock(key, Buffer.alloc(BLOCK)));
    const mask = toInt(encryptBlock(key, Buffer.concat([nonce, Buffer.of(0, 0, 0, 1)])));
    // The tag without the ciphertext block, which counts as zero; its own share is block × h².
    const withZero = [...blocksOf(aad), 0n, toInt(lengths)].reduce(
      (sum, block) => multiply(sum ^ block, h),
      0n,
    );
    return { rest: withZero ^ mask, square: multiply(h, h) };
  });
  const [one, two] = parts as [(typeof parts)[number], (typeof parts)[number]];
  const block = multiply(one.rest ^ two.rest, inverse(one.square ^ two.square));
  return Buffer.concat([toBytes(block), toBytes(multiply(block, one.square) ^ one.rest)]);
}
