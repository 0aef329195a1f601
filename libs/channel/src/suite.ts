import { createSecretKey, type KeyObject } from 'node:crypto';
import { toHex, utf8 } from '@keymesh/kernel';
import { AEAD_AES_256_GCM, CipherSuite, KDF_HKDF_SHA256, KEM_DHKEM_X25519_HKDF_SHA256 } from 'hpke';
import { KEY_BYTES } from './limits.js';

/** DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. SOURCE: RFC 9180 section 7, ids 0x0020, 0x0001, 0x0002. */
export const channelSuite = (): CipherSuite =>
  new CipherSuite(KEM_DHKEM_X25519_HKDF_SHA256, KDF_HKDF_SHA256, AEAD_AES_256_GCM);

/** What both ends export from an HPKE context. SOURCE: RFC 9180 section 5.3 */
export const EXPORT_LABELS = {
  request: 'keymesh/v1/channel/request-key',
  reply: 'keymesh/v1/channel/reply-key',
  session: 'keymesh/v1/channel/session-id',
} as const;
const SESSION_ID_BYTES = 16;

/** The keys of one session. Both ends hold the same. */
export interface SessionKeys {
  /** Encrypts requests, client to service. */
  readonly request: KeyObject;
  /** Never encrypts anything itself: each instance derives its own reply key from it. */
  readonly replyBase: KeyObject;
  /** 16 bytes hex; public (it stands in audit records). */
  readonly sessionId: string;
}

interface Exporter {
  Export(context: Uint8Array, length: number): Promise<Uint8Array>;
}

/** Exports the session's keys and id. The raw bytes are zeroed; the KeyObjects stay. */
export async function exportSessionKeys(context: Exporter): Promise<SessionKeys> {
  const [request, reply, session] = await Promise.all([
    context.Export(utf8(EXPORT_LABELS.request), KEY_BYTES),
    context.Export(utf8(EXPORT_LABELS.reply), KEY_BYTES),
    context.Export(utf8(EXPORT_LABELS.session), SESSION_ID_BYTES),
  ]);
  return { request: intoKey(request), replyBase: intoKey(reply), sessionId: toHex(session) };
}

/** Takes the bytes into a KeyObject and zeroes them. */
export function intoKey(bytes: Uint8Array): KeyObject {
  const key = createSecretKey(bytes);
  bytes.fill(0);
  return key;
}
