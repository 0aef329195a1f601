import { createHash, createPublicKey, createPrivateKey, generateKeyPairSync } from 'node:crypto';
import canonicalize from 'canonicalize';
import {
  concat,
  fromBase64Url,
  fromUtf8,
  Secret,
  signTextFor,
  toBase64Url,
  toHex,
  utf8,
  verifyFor,
  type SigningKey,
} from '@keymesh/kernel';
import type { KeyPair } from 'hpke';
import { CLOCK_SKEW_MS, KEY_BYTES, MAX_CHANNEL_KEY_MS } from './limits.js';
import { rejected } from './refusals.js';
import { channelSuite } from './suite.js';

// SOURCE: RFC 8410 section 7: the fixed DER prefix of an X25519 private key.
const PKCS8_PREFIX = Uint8Array.from(Buffer.from('302e020100300506032b656e04220420', 'hex'));
const KEY_ID_BYTES = 16;
const MAX_STATEMENT_CHARS = 1_024;
const SERVICE_NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** What the mesh key signs about a service's channel key. */
export interface ChannelKeyFields {
  readonly service: string;
  /** X25519, 32 bytes base64url. */
  readonly publicKey: string;
  /** Milliseconds since the Unix epoch; at most 24 h apart. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** A channel key that the mesh key vouches for. */
export interface ChannelKeyStatement extends ChannelKeyFields {
  /** First 16 bytes of SHA-256 of the public key, hex. */
  readonly keyId: string;
  /** The signed text form: base64url of the canonical JSON, a dot, base64url of the signature. */
  readonly text: string;
}

/** A service's own channel key, ready to accept sessions. */
export interface ChannelPrivateKey {
  readonly statement: ChannelKeyStatement;
  readonly keyPair: KeyPair;
}

/** @param publicKey 32 raw bytes. */
export const channelKeyId = (publicKey: Uint8Array): string =>
  toHex(createHash('sha256').update(publicKey).digest().subarray(0, KEY_ID_BYTES));

/**
 * Signs a statement with the mesh key (vault only).
 * @throws CHANNEL_REJECTED unless the fields are well-formed and span at most 24 h.
 */
export function signChannelKey(fields: ChannelKeyFields, meshKey: SigningKey): string {
  const { service, publicKey, notBefore, notAfter } = fields;
  const json = canonicalize({ v: 1, service, publicKey, notBefore, notAfter });
  if (json === undefined || readFields(json) === undefined) throw rejected();
  const payload = utf8(json);
  return `${toBase64Url(payload)}.${signTextFor('keymesh/v1/channel-key', payload, meshKey)}`;
}

/**
 * Reads a statement and checks it in full.
 * @param meshPublicKey 32 bytes base64url, pinned at enrolment. @param nowMs wall clock.
 * @returns undefined unless it is canonical, signed by the mesh key, for this service and valid now.
 */
export function readChannelKey(
  text: string,
  meshPublicKey: string,
  service: string,
  nowMs: number,
): ChannelKeyStatement | undefined {
  if (text.length > MAX_STATEMENT_CHARS) return undefined;
  const [payloadText = '', signatureText = '', ...rest] = text.split('.');
  const payload = fromBase64Url(payloadText);
  const signature = fromBase64Url(signatureText);
  if (rest.length > 0 || payload === undefined || signature === undefined) return undefined;
  if (!verifyFor('keymesh/v1/channel-key', payload, signature, meshPublicKey)) return undefined;
  const fields = readPayload(payload);
  if (fields?.service !== service) return undefined;
  if (nowMs + CLOCK_SKEW_MS < fields.notBefore || nowMs >= fields.notAfter) return undefined;
  return { ...fields, keyId: channelKeyId(fromBase64Url(fields.publicKey) ?? new Uint8Array()), text };
}

function readPayload(payload: Uint8Array): ChannelKeyFields | undefined {
  try {
    return readFields(fromUtf8(payload));
  } catch {
    return undefined; // not UTF-8
  }
}

/** Strict: the text must be the canonical form (RFC 8785) of exactly these fields. */
function readFields(json: string): ChannelKeyFields | undefined {
  const value = parse(json);
  if (typeof value !== 'object' || value === null || canonicalize(value) !== json) return undefined;
  const { v, service, publicKey, notBefore, notAfter, ...rest } = value as Record<string, unknown>;
  if (v !== 1 || Object.keys(rest).length > 0) return undefined;
  if (typeof service !== 'string' || !SERVICE_NAME.test(service)) return undefined;
  if (typeof publicKey !== 'string' || fromBase64Url(publicKey)?.length !== KEY_BYTES) return undefined;
  if (!isTime(notBefore) || !isTime(notAfter)) return undefined;
  if (notAfter <= notBefore || notAfter - notBefore > MAX_CHANNEL_KEY_MS) return undefined;
  return { service, publicKey, notBefore, notAfter };
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

const isTime = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

/** Makes a random X25519 key pair. @returns the public key as 32 bytes base64url; the private key is the caller's to dispose. */
export function makeChannelKeyPair(): Promise<{
  publicKey: string;
  privateKey: Secret<'channel-private-key'>;
}> {
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  const der = privateKey.export({ format: 'der', type: 'pkcs8' });
  const raw = new Uint8Array(der.subarray(-KEY_BYTES));
  der.fill(0);
  return Promise.resolve({
    publicKey: publicKey.export({ format: 'jwk' }).x ?? '',
    privateKey: new Secret(raw, 'channel-private-key'),
  });
}

/**
 * Imports a service's own private key for {@link makeAcceptor}.
 * @param privateKey 32 bytes; the caller keeps ownership.
 * @throws CHANNEL_REJECTED when it is not the private half of the statement's key.
 */
export async function importChannelKey(
  statement: ChannelKeyStatement,
  privateKey: Secret,
): Promise<ChannelPrivateKey> {
  if (privateKey.sizeBytes !== KEY_BYTES || publicHalf(privateKey) !== statement.publicKey) throw rejected();
  const suite = channelSuite();
  // EXPOSE: the key import needs the raw bytes; the imported key is not extractable.
  const raw = privateKey.expose();
  return {
    statement,
    keyPair: {
      privateKey: await suite.DeserializePrivateKey(raw, false),
      publicKey: await suite.DeserializePublicKey(fromBase64Url(statement.publicKey) ?? new Uint8Array()),
    },
  };
}

function publicHalf(privateKey: Secret): string | undefined {
  // EXPOSE: node's key import needs the DER bytes; the copy is zeroed right after.
  const der = concat(PKCS8_PREFIX, privateKey.expose());
  try {
    const key = createPrivateKey({ key: Buffer.from(der.buffer), format: 'der', type: 'pkcs8' });
    return createPublicKey(key).export({ format: 'jwk' }).x;
  } finally {
    der.fill(0);
  }
}
