import { createSecretKey, pbkdf2, randomBytes, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { concat, lengthPrefixed, Secret } from '@keymesh/kernel';
import { KEY_BYTES } from './aes-gcm.js';
import { bindRoot } from './binding.js';
import { closed } from './failures.js';
import { openBox, OVERHEAD_BYTES, sealBox } from './sealed-box.js';

// u8 format = 1 ‖ PBKDF2 salt (32) ‖ sealed box; format 1 means 600,000 iterations of PBKDF2-HMAC-SHA256.
const FORMAT = 1;
const SALT_BYTES = 32;
const BOX_AT = 1 + SALT_BYTES;
// SOURCE: OWASP Password Storage Cheat Sheet (2023) for PBKDF2-HMAC-SHA256.
const ITERATIONS = 600_000;
const MIN_MASTER_KEY_BYTES = 32;
/** Roots kept by their salt; one is the rule, a few after moves between machines. */
const MAX_ROOTS = 16;
const deriveBits = promisify(pbkdf2);

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
 * @throws DECRYPTION_FAILED when the master key is too short.
 */
export function makeRootWrapper(options: {
  readonly masterKey: Secret;
  readonly passphrase?: Secret | undefined;
}): RootWrapper {
  if (options.masterKey.sizeBytes < MIN_MASTER_KEY_BYTES) throw closed();
  const roots = new Map<string, Promise<KeyObject>>();
  const password = rootPassword(options.masterKey, options.passphrase);

  const rootOf = (salt: Uint8Array): Promise<KeyObject> => {
    const id = Buffer.from(salt).toString('hex');
    const known = roots.get(id);
    if (known !== undefined) return known;
    const derived = deriveRootKey(password, salt, ITERATIONS);
    const [oldest] = roots.keys();
    if (roots.size >= MAX_ROOTS && oldest !== undefined) roots.delete(oldest);
    roots.set(id, derived);
    derived.catch(() => roots.delete(id));
    return derived;
  };
  let salt: Uint8Array | undefined;

  return {
    async wrap(context, key) {
      // One salt for all: a new one for each wrap would cost a derivation for each key at every start.
      salt ??= new Uint8Array(randomBytes(SALT_BYTES));
      const chosen = salt;
      return concat(Uint8Array.of(FORMAT), chosen, sealBox(await rootOf(chosen), bindRoot(context), key));
    },
    async unwrap(context, wrapped) {
      if (wrapped.length < BOX_AT + OVERHEAD_BYTES || wrapped[0] !== FORMAT) throw closed();
      const itsSalt = wrapped.slice(1, BOX_AT);
      const key = openBox(await rootOf(itsSalt), bindRoot(context), wrapped.subarray(BOX_AT), 'root-wrapped');
      // INVARIANT: only a salt under which something opened is taken over, so that nobody can plant one.
      salt ??= itsSalt;
      return key;
    },
    dispose() {
      roots.clear();
      password.dispose();
    },
  };
}

/** What PBKDF2 runs over: both parts with their lengths, so that no passphrase can pass for bytes of a key. */
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
