import { concat, fromBase64Url, lengthPrefixed, toBase64Url, type Clock } from '@keymesh/kernel';
import type { CipherSuite } from 'hpke';
import type { ChannelKeyStatement, ChannelPrivateKey } from './channel-key.js';
import { KEY_BYTES, TAG_BYTES } from './limits.js';
import { expired, rejected } from './refusals.js';
import { channelSuite } from './suite.js';

const PURPOSE = 'keymesh/v1/sealed-request';

/** A request for one service's eyes, of somebody who has no channel key (yet). */
export interface SealedRequest {
  /** Hex. */
  readonly keyId: string;
  /** Base64url: encapsulated key (32 bytes) and AES-256-GCM ciphertext with its tag. */
  readonly sealed: string;
}

/** INVARIANT: sealed for one operation of one service under one key, it opens nowhere else. */
const infoOf = (operation: string, { service, keyId, publicKey }: ChannelKeyStatement): Uint8Array =>
  lengthPrefixed(
    PURPOSE,
    operation,
    service,
    Buffer.from(keyId, 'hex'),
    fromBase64Url(publicKey) ?? new Uint8Array(),
  );

/**
 * Seals a request to a service's channel key. SOURCE: RFC 9180 section 5 and 6.1, base mode. Says nothing of who sealed it, and nothing keeps it from
 * being sent twice: what is in it must prove itself and do no more the second time.
 * @param service already checked by `readChannelKey`.
 * @throws CHANNEL_EXPIRED, CHANNEL_REJECTED when its key is no usable X25519 key.
 */
export const sealRequest = (
  operation: string,
  service: ChannelKeyStatement,
  request: Uint8Array,
  clock: Clock,
): Promise<SealedRequest> => sealRequestWith(operation, service, request, clock, channelSuite());

/** Test-only seam: a suite whose ephemeral key is fixed makes the golden vectors. Not exported from the package. */
export async function sealRequestWith(
  operation: string,
  service: ChannelKeyStatement,
  request: Uint8Array,
  clock: Clock,
  suite: CipherSuite,
): Promise<SealedRequest> {
  if (clock.now() >= service.notAfter) throw expired();
  try {
    const publicKey = await suite.DeserializePublicKey(fromBase64Url(service.publicKey) ?? new Uint8Array());
    const { encapsulatedSecret, ctx } = await suite.SetupSender(publicKey, {
      info: infoOf(operation, service),
    });
    const sealed = concat(encapsulatedSecret, await ctx.Seal(request));
    return { keyId: service.keyId, sealed: toBase64Url(sealed) };
  } catch {
    throw rejected();
  }
}

/**
 * Opens a sealed request into fresh bytes, which the caller zeroes.
 * @throws CHANNEL_EXPIRED when the key is over; CHANNEL_REJECTED for everything else alike.
 */
export async function openSealedRequest(
  operation: string,
  key: ChannelPrivateKey,
  sealedText: string,
  clock: Clock,
): Promise<Uint8Array> {
  if (clock.now() >= key.statement.notAfter) throw expired();
  const sealed = fromBase64Url(sealedText);
  if (sealed === undefined || sealed.length < KEY_BYTES + TAG_BYTES) throw rejected();
  try {
    const encapsulated = sealed.subarray(0, KEY_BYTES);
    const info = infoOf(operation, key.statement);
    const context = await channelSuite().SetupRecipient(key.keyPair, encapsulated, { info });
    return await context.Open(sealed.subarray(KEY_BYTES));
  } catch {
    throw rejected();
  }
}
