import { argon2, createSecretKey, pbkdf2, randomBytes, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { concat, lengthPrefixed, Secret } from '@keymesh/kernel';
import { KEY_BYTES } from './aes-gcm.js';
import { bindRoot } from './binding.js';
import { closed } from './failures.js';
import { openBox, OVERHEAD_BYTES, sealBox } from './sealed-box.js';

// Format 1: u8 1 ‖ PBKDF2 salt (32) ‖ sealed box; it means 600,000 iterations of PBKDF2-HMAC-SHA256.
// Format 2: u8 2 ‖ argon2id salt (32) ‖ u32 memory KiB ‖ u32 passes ‖ u8 lanes ‖ sealed box.
const PBKDF2_FORMAT = 1;
const ARGON2ID_FORMAT = 2;
const SALT_BYTES = 32;
const PBKDF2_HEADER_BYTES = 1 + SALT_BYTES;
const ARGON2ID_HEADER_BYTES = PBKDF2_HEADER_BYTES + 4 + 4 + 1;
// SOURCE: OWASP Password Storage Cheat Sheet (2023) for PBKDF2-HMAC-SHA256.
const ITERATIONS = 600_000;
const MIN_MASTER_KEY_BYTES = 32;
/** Roots kept by their header; one is the rule, a few after moves between machines. */
const MAX_ROOTS = 16;
const deriveBits = promisify(pbkdf2);
const deriveArgon2 = promisify(argon2);

/** How the root key is derived. Both open for ever; this says which one new wraps are made with. */
export type RootKdf = 'pbkdf2' | 'argon2id';

/** What argon2id takes beside password and salt. */
export interface Argon2idCost {
  readonly memoryKib: number;
  readonly passes: number;
  readonly lanes: number;
}

// SOURCE: RFC 9106 section 4, the second recommended option.
const ARGON2ID_COST: Argon2idCost = { memoryKib: 65_536, passes: 3, lanes: 4 };
// INVARIANT: the cost that is stored is bounded before anything is derived: who can write rows cannot make the vault work for an hour,
// or with next to nothing.
const isAllowed = ({ memoryKib, passes, lanes }: Argon2idCost): boolean =>
  memoryKib >= 19_456 && memoryKib <= 262_144 && passes >= 2 && passes <= 8 && lanes >= 1 && lanes <= 8;

/** The root key of the local KMS. */
export interface RootWrapper {
  /**
   * Wraps a key. @param context what it is, e.g. `kek/<id>/1`; authenticated. @param key the caller keeps ownership.
   * The first call (or the first unwrap) takes some hundred milliseconds, off the event loop; later ones microseconds.
   */
  wrap(context: string, key: Secret): Promise<Uint8Array>;
  /** @returns the key; the caller disposes it. @throws DECRYPTION_FAILED for every cause alike. */
  unwrap(context: string, wrapped: Uint8Array): Promise<Secret<'root-wrapped'>>;
  /** Forgets everything; what is called after it fails. */
  dispose(): void;
}

/**
 * Makes the root key of the local KMS from the master key's bytes and an optional passphrase.
 * @param masterKey at least 32 bytes, copied; the caller keeps ownership, of the passphrase too.
 * @param kdf for what is wrapped from now on; default pbkdf2.
 * @throws DECRYPTION_FAILED when the master key is too short.
 */
export function makeRootWrapper(options: {
  readonly masterKey: Secret;
  readonly passphrase?: Secret | undefined;
  readonly kdf?: RootKdf;
}): RootWrapper {
  if (options.masterKey.sizeBytes < MIN_MASTER_KEY_BYTES) throw closed();
  const roots = new Map<string, Promise<KeyObject>>();
  const password = rootPassword(options.masterKey, options.passphrase);
  const kdf = options.kdf ?? 'pbkdf2';

  const rootOf = (header: Uint8Array): Promise<KeyObject> => {
    const id = Buffer.from(header).toString('hex');
    const known = roots.get(id);
    if (known !== undefined) return known;
    const derived = deriveFrom(header, password);
    const [oldest] = roots.keys();
    if (roots.size >= MAX_ROOTS && oldest !== undefined) roots.delete(oldest);
    roots.set(id, derived);
    derived.catch(() => roots.delete(id));
    return derived;
  };
  let own: Uint8Array | undefined;

  return {
    async wrap(context, key) {
      // One salt for all: a new one for each wrap would cost a derivation for each key at every start.
      const header = (own ??= makeHeader(kdf));
      return concat(header, sealBox(await rootOf(header), bindRoot(context), key));
    },
    async unwrap(context, wrapped) {
      const header = readHeader(wrapped);
      const box = wrapped.subarray(header.length);
      if (box.length < OVERHEAD_BYTES) throw closed();
      const key = openBox(await rootOf(header), bindRoot(context), box, 'root-wrapped');
      // INVARIANT: only a header under which something opened is taken over, so that nobody can plant one; and none of another cost.
      if (isOfCost(header, kdf)) own ??= header;
      return key;
    },
    dispose() {
      roots.clear();
      password.dispose();
    },
  };
}

function makeHeader(kdf: RootKdf): Uint8Array {
  const salt = randomBytes(SALT_BYTES);
  if (kdf === 'pbkdf2') return concat(Uint8Array.of(PBKDF2_FORMAT), salt);
  return concat(Uint8Array.of(ARGON2ID_FORMAT), salt, costBytes(ARGON2ID_COST));
}

/** The bytes before the box. @throws DECRYPTION_FAILED for a format that is not known, or that is cut. */
function readHeader(wrapped: Uint8Array): Uint8Array {
  const size = wrapped[0] === PBKDF2_FORMAT ? PBKDF2_HEADER_BYTES : ARGON2ID_HEADER_BYTES;
  if (wrapped.length < size || (wrapped[0] !== PBKDF2_FORMAT && wrapped[0] !== ARGON2ID_FORMAT))
    throw closed();
  return wrapped.slice(0, size);
}

const isOfCost = (header: Uint8Array, kdf: RootKdf): boolean =>
  kdf === 'pbkdf2'
    ? header[0] === PBKDF2_FORMAT
    : Buffer.compare(header.subarray(PBKDF2_HEADER_BYTES), costBytes(ARGON2ID_COST)) === 0;

function deriveFrom(header: Uint8Array, password: Secret): Promise<KeyObject> {
  const salt = header.subarray(1, PBKDF2_HEADER_BYTES);
  if (header[0] === PBKDF2_FORMAT) return deriveRootKey(password, salt, ITERATIONS);
  const cost = new DataView(header.buffer, header.byteOffset + PBKDF2_HEADER_BYTES);
  const [memoryKib, passes, lanes] = [cost.getUint32(0), cost.getUint32(4), cost.getUint8(8)];
  return deriveArgon2RootKey(password, salt, { memoryKib, passes, lanes });
}

function costBytes({ memoryKib, passes, lanes }: Argon2idCost): Uint8Array {
  const bytes = new Uint8Array(9);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, memoryKib);
  view.setUint32(4, passes);
  view.setUint8(8, lanes);
  return bytes;
}

/** What the derivation runs over: both parts with their lengths, so that no passphrase can pass for bytes of a key. */
function rootPassword(masterKey: Secret, passphrase: Secret | undefined): Secret<'root-password'> {
  // EXPOSE: copied into one Secret that the wrapper owns and disposes.
  const parts = [masterKey.expose(), passphrase?.expose() ?? new Uint8Array()];
  return new Secret(lengthPrefixed(...parts), 'root-password');
}

/** PBKDF2-HMAC-SHA256 in the thread pool. SOURCE: RFC 8018 section 5.2. Exported for its vectors. */
export async function deriveRootKey(
  password: Secret,
  salt: Uint8Array,
  iterations: number,
): Promise<KeyObject> {
  // EXPOSE: the derivation takes raw bytes; its result becomes a KeyObject and is zeroed.
  const bits = await deriveBits(password.expose(), salt, iterations, KEY_BYTES, 'sha256');
  const key = createSecretKey(bits);
  bits.fill(0);
  return key;
}

/** argon2id in the thread pool. SOURCE: RFC 9106. @throws DECRYPTION_FAILED for a cost outside the bounds. Exported for its vectors. */
export async function deriveArgon2RootKey(
  password: Secret,
  salt: Uint8Array,
  cost: Argon2idCost,
): Promise<KeyObject> {
  if (!isAllowed(cost)) throw closed();
  const bits = await deriveArgon2('argon2id', {
    // EXPOSE: the derivation takes raw bytes; its result becomes a KeyObject and is zeroed.
    message: password.expose(),
    nonce: salt,
    memory: cost.memoryKib,
    passes: cost.passes,
    parallelism: cost.lanes,
    tagLength: KEY_BYTES,
  });
  const key = createSecretKey(bits);
  bits.fill(0);
  return key;
}
