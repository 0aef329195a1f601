import { hkdfSync } from 'node:crypto';
import {
  concat,
  fromBase64Url,
  KeymeshError,
  lengthPrefixed,
  toBase64Url,
  utf8,
  type Secret,
} from '@keymesh/kernel';
import type { KeyPair } from 'hpke';
import { KEY_BYTES, TAG_BYTES } from './limits.js';
import { channelSuite } from './suite.js';

const VERSION = 1;
const FORMAT = 'keymesh/v1/channel-key-handover';
const HEADER_BYTES = 1 + KEY_BYTES;

/** One instance's question for a key that another has. Its private half is in memory only, and for one question. */
export interface HandoverQuestion {
  /** X25519, 32 bytes base64url. */
  readonly recipient: string;
  readonly keyPair: KeyPair;
}

/** Makes a fresh question. What answers it opens with this key pair alone, and with it gone, never again. */
export async function makeHandoverQuestion(): Promise<HandoverQuestion> {
  const suite = channelSuite();
  const keyPair = await suite.GenerateKeyPair(false);
  return { recipient: toBase64Url(await suite.SerializePublicKey(keyPair.publicKey)), keyPair };
}

/**
 * Seals a key for the instance that asked for it, so that the place where the two meet (a table) keeps nothing that opens later.
 * HPKE in PSK mode (RFC 9180 section 5.1.2): to open it takes the question's private half and the state key that both instances have.
 * @param stateKey 32 bytes. @param context what this is, e.g. `channel-key/vault/<key id>`. @param recipient of the question.
 * @param bytes the caller's to zero.
 * @returns version, 32 bytes encapsulated key, ciphertext, 16 tag bytes (docs/reference/channel.md section 6).
 * @throws DECRYPTION_FAILED when the recipient is no public key.
 */
export async function handOver(
  stateKey: Secret,
  context: string,
  recipient: string,
  bytes: Uint8Array,
): Promise<Uint8Array> {
  const suite = channelSuite();
  const raw = fromBase64Url(recipient);
  if (raw?.length !== KEY_BYTES) throw closed();
  const psk = pskOf(stateKey);
  try {
    const publicKey = await suite.DeserializePublicKey(raw);
    const options = { info: infoOf(context, recipient), psk, pskId: utf8(FORMAT) };
    const { encapsulatedSecret, ciphertext } = await suite.Seal(publicKey, bytes, options);
    return concat(Uint8Array.of(VERSION), encapsulatedSecret, ciphertext);
  } catch {
    throw closed(); // a public key of small order
  } finally {
    psk.fill(0);
  }
}

/** Opens what answers a question. @returns fresh bytes, which the caller zeroes. @throws DECRYPTION_FAILED for every cause alike. */
export async function takeOver(
  stateKey: Secret,
  context: string,
  { recipient, keyPair }: HandoverQuestion,
  answer: Uint8Array,
): Promise<Uint8Array> {
  if (answer[0] !== VERSION || answer.length < HEADER_BYTES + TAG_BYTES) throw closed();
  const psk = pskOf(stateKey);
  try {
    return await channelSuite().Open(
      keyPair,
      answer.subarray(1, HEADER_BYTES),
      answer.subarray(HEADER_BYTES),
      {
        ...{ info: infoOf(context, recipient), psk, pskId: utf8(FORMAT) },
      },
    );
  } catch {
    throw closed();
  } finally {
    psk.fill(0);
  }
}

const infoOf = (context: string, recipient: string): Uint8Array =>
  lengthPrefixed(FORMAT, context, fromBase64Url(recipient) ?? new Uint8Array());

const closed = (): KeymeshError => new KeymeshError('DECRYPTION_FAILED');

const pskOf = (stateKey: Secret): Uint8Array =>
  // EXPOSE: the key derivation needs the raw state key; what it derives is zeroed after its one use.
  new Uint8Array(hkdfSync('sha256', stateKey.expose(), new Uint8Array(), utf8(FORMAT), KEY_BYTES));
