/** Every array that differs from `bytes` in one bit. */
export function* everyBitFlipped(bytes: Uint8Array): Generator<{ at: number; bytes: Uint8Array }> {
  for (let at = 0; at < bytes.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const copy = Uint8Array.from(bytes);
      copy[at]! ^= 1 << bit;
      yield { at, bytes: copy };
    }
  }
}

/** Every proper prefix, and some extensions. */
export function* everyOtherLength(bytes: Uint8Array): Generator<Uint8Array> {
  for (let length = 0; length < bytes.length; length++) yield bytes.slice(0, length);
  yield Uint8Array.from([...bytes, 0]);
  yield Uint8Array.from([0, ...bytes]);
  yield Uint8Array.from([...bytes, ...bytes]);
}

// SOURCE: RFC 7748 section 6.1 and the known points of small order on Curve25519; each gives an all-zero shared secret, also
// with the highest bit set, which X25519 takes no notice of.
export const SMALL_ORDER_POINTS = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
].flatMap((hex) => [hex, hex.slice(0, -2) + (Number.parseInt(hex.slice(-2), 16) | 0x80).toString(16)]);
