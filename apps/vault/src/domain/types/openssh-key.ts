import { randomBytes } from 'node:crypto';
import { concat, lengthPrefixed, utf8, type Secret } from '@keymesh/kernel';
import { toPem } from './pem.js';
import { modulusBits } from './private-key.js';

// SOURCE: OpenSSH PROTOCOL.key: "openssh-key-v1\0" ‖ cipher ‖ kdf ‖ kdf options ‖ u32 number of keys ‖ public key ‖ private section; strings
// with a u32 length (big endian), as in RFC 4251 section 5. Private section: u32 check ‖ the same ‖ keys ‖ padding 1, 2, 3, …
const MAGIC = utf8('openssh-key-v1\0');
const BLOCK_BYTES = 8;

/** What can be read of a key without its passphrase. */
export interface OpensshKey {
  readonly algorithm: string;
  readonly isEncrypted: boolean;
  /** In the form of RFC 4253 section 6.6. */
  readonly publicKey: Uint8Array;
  readonly securityBits: number | undefined;
}

/** @param blob what the armour holds; the caller wipes it. @returns undefined unless it is one whole key. */
export function readOpensshKey(blob: Uint8Array): OpensshKey | undefined {
  if (Buffer.compare(blob.subarray(0, MAGIC.length), MAGIC) !== 0) return undefined;
  const read = makeReader(blob, MAGIC.length);
  const [cipher, ,] = [read.string(), read.string(), read.string()];
  const keys = read.number();
  const publicKey = read.string();
  const section = read.string();
  if (
    cipher === undefined ||
    keys !== 1 ||
    publicKey === undefined ||
    section === undefined ||
    !read.isAtEnd()
  )
    return undefined;
  const isEncrypted = asciiOf(cipher) !== 'none';
  if (!isEncrypted && !hasChecks(section, publicKey)) return undefined;
  const algorithm = asciiOf(makeReader(publicKey, 0).string() ?? new Uint8Array());
  return {
    algorithm,
    isEncrypted,
    publicKey: Uint8Array.from(publicKey),
    securityBits: bitsOf(algorithm, publicKey),
  };
}

/** The two equal check numbers, and that the private section is of the same algorithm as the public key. */
function hasChecks(section: Uint8Array, publicKey: Uint8Array): boolean {
  const read = makeReader(section, 0);
  const checks = [read.number(), read.number()];
  const algorithm = read.string();
  const expected = makeReader(publicKey, 0).string();
  return (
    checks[0] !== undefined &&
    checks[0] === checks[1] &&
    algorithm !== undefined &&
    expected !== undefined &&
    Buffer.compare(algorithm, expected) === 0
  );
}

function bitsOf(algorithm: string, publicKey: Uint8Array): number | undefined {
  if (algorithm === 'ssh-ed25519' || algorithm === 'sk-ssh-ed25519@openssh.com') return 128;
  const curve = /^ecdsa-sha2-nistp(256|384|521)$/.exec(algorithm)?.[1];
  if (curve !== undefined) return { 256: 128, 384: 192, 521: 256 }[curve];
  if (algorithm === 'ssh-dss') return 80;
  if (algorithm !== 'ssh-rsa') return undefined;
  const read = makeReader(publicKey, 0);
  const [, , modulus] = [read.string(), read.string(), read.string()];
  // A leading zero keeps the number positive (RFC 4251 section 5, mpint).
  return modulus === undefined ? undefined : modulusBits((modulus.length - (modulus[0] === 0 ? 1 : 0)) * 8);
}

/** @param seed and @param point 32 bytes each (RFC 8032). @returns the armoured key, which the caller wipes, and the line of authorized_keys. */
export function writeOpensshKey(seed: Secret, point: Uint8Array): { pem: Uint8Array; line: string } {
  const algorithm = 'ssh-ed25519';
  const publicKey = lengthPrefixed(algorithm, point);
  const check = randomBytes(4);
  // EXPOSE: into the private section, which is wiped here, and from it into the armour, which is the caller's.
  const pair = concat(seed.expose(), point);
  const unpadded = concat(check, check, publicKey, lengthPrefixed(pair, ''));
  const padding = Uint8Array.from(
    { length: (BLOCK_BYTES - (unpadded.length % BLOCK_BYTES)) % BLOCK_BYTES },
    (_, at) => at + 1,
  );
  const section = concat(unpadded, padding);
  const sealed = lengthPrefixed(section);
  const one = Uint8Array.of(0, 0, 0, 1);
  const blob = concat(MAGIC, lengthPrefixed('none', 'none', ''), one, lengthPrefixed(publicKey), sealed);
  const pem = toPem('OPENSSH PRIVATE KEY', blob);
  for (const copy of [pair, unpadded, section, sealed, blob]) copy.fill(0);
  return { pem, line: `${algorithm} ${Buffer.from(publicKey).toString('base64')}` };
}

const asciiOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/** Reads RFC 4251 numbers and strings; undefined from the first that does not fit. */
function makeReader(bytes: Uint8Array, from: number) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = from;
  const number = (): number | undefined => {
    if (at + 4 > bytes.length) return undefined;
    at += 4;
    return view.getUint32(at - 4);
  };
  const string = (): Uint8Array | undefined => {
    const size = number();
    if (size === undefined || at + size > bytes.length) return undefined;
    at += size;
    return bytes.subarray(at - size, at);
  };
  return { number, string, isAtEnd: () => at === bytes.length };
}
