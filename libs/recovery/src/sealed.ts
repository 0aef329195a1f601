import { KeymeshError, lengthPrefixed, Secret, concat } from '@keymesh/kernel';
import {
  AEAD_AES_256_GCM,
  CipherSuite,
  KDF_HKDF_SHA256,
  KEM_DHKEM_X25519_HKDF_SHA256,
  type KeyPair,
} from 'hpke';
import { publicHalfOf, recoveryKeyId, type RecoveryPublicKey } from './recovery-key.js';

// u8 format = 1 ‖ recovery key id (16) ‖ encapsulated key (32) ‖ ciphertext ‖ tag (16). HPKE base mode, one message a set-up;
// info = LP(purpose, key id), AAD = LP(purpose, context).
// SOURCE: RFC 9180 section 6.1, suite 0x0020, 0x0001, 0x0002.
const FORMAT = 1;
const KEY_ID_BYTES = 16;
const ENCAPSULATED_AT = 1 + KEY_ID_BYTES;
const BODY_AT = ENCAPSULATED_AT + 32;
const TAG_BYTES = 16;

// INVARIANT: one error for every cause, without details or cause.
const closed = (): KeymeshError => new KeymeshError('DECRYPTION_FAILED');
const recoverySuite = (): CipherSuite =>
  new CipherSuite(KEM_DHKEM_X25519_HKDF_SHA256, KDF_HKDF_SHA256, AEAD_AES_256_GCM);

/** A recovery private key as the cipher takes it; it cannot be exported or wiped. */
export type RecoveryOpener = (context: string, sealed: Uint8Array) => Promise<Secret<'recovered-key'>>;

/**
 * Seals a key for recovery: nobody opens it without the shares, the vault neither.
 * @param context authenticated: it opens for no other. @param key the caller keeps ownership.
 * @throws DECRYPTION_FAILED for a public key of small order (the shared secret would be zero; RFC 7748 section 6.1).
 */
export async function sealForRecovery(
  { publicKey, keyId }: RecoveryPublicKey,
  context: string,
  key: Secret,
): Promise<Uint8Array> {
  const suite = recoverySuite();
  const id = Buffer.from(keyId, 'hex');
  try {
    const recipient = await suite.DeserializePublicKey(publicKey);
    // EXPOSE: straight into the cipher.
    const { encapsulatedSecret, ciphertext } = await suite.Seal(recipient, key.expose(), bind(id, context));
    return concat(Uint8Array.of(FORMAT), id, encapsulatedSecret, ciphertext);
  } catch {
    throw closed();
  }
}

/** Takes the private key in. @param privateKey 32 bytes; the caller keeps ownership and may dispose it at once. */
export async function makeRecoveryOpener(privateKey: Secret): Promise<RecoveryOpener> {
  const suite = recoverySuite();
  const publicHalf = publicHalfOf(privateKey);
  const keyPair = {
    // EXPOSE: the key import needs the raw bytes; the imported key is not extractable.
    privateKey: await suite.DeserializePrivateKey(privateKey.expose(), false),
    publicKey: await suite.DeserializePublicKey(publicHalf),
  };
  const id = Buffer.from(recoveryKeyId(publicHalf), 'hex');
  return (context, sealed) => open(suite, keyPair, id, context, sealed);
}

/** @throws DECRYPTION_FAILED for every cause alike. */
async function open(
  suite: CipherSuite,
  keyPair: KeyPair,
  id: Buffer,
  context: string,
  sealed: Uint8Array,
): Promise<Secret<'recovered-key'>> {
  if (sealed.length < BODY_AT + TAG_BYTES || sealed[0] !== FORMAT) throw closed();
  if (!id.equals(sealed.subarray(1, ENCAPSULATED_AT))) throw closed();
  try {
    const encapsulated = sealed.slice(ENCAPSULATED_AT, BODY_AT);
    const plain = await suite.Open(keyPair, encapsulated, sealed.slice(BODY_AT), bind(id, context));
    return new Secret(plain, 'recovered-key');
  } catch {
    throw closed();
  }
}

const PURPOSE = 'keymesh/v1/recovery-wrap';
const bind = (id: Uint8Array, context: string) => ({
  info: lengthPrefixed(PURPOSE, id),
  aad: lengthPrefixed(PURPOSE, context),
});
