import {
  concat,
  fromBase64Url,
  fromUtf8,
  lengthPrefixed,
  signFor,
  toBase64Url,
  toHex,
  utf8,
  verifyFor,
  type SigningKey,
} from '@keymesh/kernel';

const VERSION = 1;
const PURPOSE = 'keymesh/v1/channel-setup';
const PUBLIC_KEY_BYTES = 32;
const KEY_ID_BYTES = 16;
const TIME_BYTES = 8;
const ENCAPSULATED_BYTES = 32;
const SIGNATURE_BYTES = 64;
const FIXED_BYTES = PUBLIC_KEY_BYTES + KEY_ID_BYTES + TIME_BYTES + ENCAPSULATED_BYTES + SIGNATURE_BYTES;
/** Version, two names of at most 64 bytes with their lengths, and the fixed fields, in base64url. */
const MAX_HEADER_CHARS = Math.ceil(((1 + 2 * 65 + FIXED_BYTES) * 4) / 3);
const PRINCIPAL = /^_?[a-z0-9][a-z0-9-]{0,62}$/;
const SERVICE = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** What a client signs to open a session. */
export interface SetupFields {
  readonly principal: string;
  /** The client's channel key, 32 raw bytes. */
  readonly clientPublicKey: Uint8Array;
  readonly service: string;
  /** Hex. */
  readonly keyId: string;
  /** Milliseconds since the Unix epoch. */
  readonly expiresAt: number;
}

/** A set-up as it came off the wire: well-formed, nothing checked yet. */
export interface Setup extends SetupFields {
  readonly encapsulated: Uint8Array;
  readonly signature: Uint8Array;
}

/** The HPKE `info`: every signed field, the service's public key among them (it is not sent; the key id names it). */
export const setupInfo = (fields: SetupFields, servicePublicKey: Uint8Array): Uint8Array =>
  lengthPrefixed(
    PURPOSE,
    fields.principal,
    fields.clientPublicKey,
    fields.service,
    Buffer.from(fields.keyId, 'hex'),
    servicePublicKey,
    timeBytes(fields.expiresAt),
  );

// INVARIANT: the signature covers the encapsulated key too. HPKE base mode lets anybody encapsulate under any `info`, so a
// captured signature over the fields alone would open sessions for whoever saw it.
const signedBytes = (info: Uint8Array, encapsulated: Uint8Array): Uint8Array =>
  lengthPrefixed(info, encapsulated);

/** The header `Keymesh-Channel`. Deterministic. */
export function signSetup(
  fields: SetupFields,
  info: Uint8Array,
  encapsulated: Uint8Array,
  key: SigningKey,
): string {
  const principal = utf8(fields.principal);
  const service = utf8(fields.service);
  return toBase64Url(
    concat(
      Uint8Array.of(VERSION, principal.length),
      principal,
      fields.clientPublicKey,
      Uint8Array.of(service.length),
      service,
      Buffer.from(fields.keyId, 'hex'),
      timeBytes(fields.expiresAt),
      encapsulated,
      signFor(PURPOSE, signedBytes(info, encapsulated), key),
    ),
  );
}

/** Whether the client that the set-up names has signed it. Never throws. */
export const isSetupSigned = (setup: Setup, info: Uint8Array): boolean =>
  verifyFor(
    PURPOSE,
    signedBytes(info, setup.encapsulated),
    setup.signature,
    toBase64Url(setup.clientPublicKey),
  );

/** @returns undefined unless the header is exactly one set-up in canonical form. */
export function parseSetup(header: string): Setup | undefined {
  if (header.length > MAX_HEADER_CHARS) return undefined;
  const bytes = fromBase64Url(header);
  if (bytes?.[0] !== VERSION) return undefined;
  let at = 1;
  const take = (size: number): Uint8Array => bytes.subarray(at, (at += size));
  const takeName = (): string => asciiOf(take(take(1)[0] ?? 0));
  const principal = takeName();
  const clientPublicKey = take(PUBLIC_KEY_BYTES);
  const service = takeName();
  const keyId = toHex(take(KEY_ID_BYTES));
  const expiresAt = timeOf(take(TIME_BYTES));
  const encapsulated = take(ENCAPSULATED_BYTES);
  const signature = take(SIGNATURE_BYTES);
  if (at !== bytes.length || expiresAt === undefined) return undefined;
  if (!PRINCIPAL.test(principal) || !SERVICE.test(service)) return undefined;
  return { principal, clientPublicKey, service, keyId, expiresAt, encapsulated, signature };
}

function timeBytes(ms: number): Uint8Array {
  const bytes = Buffer.alloc(TIME_BYTES);
  bytes.writeBigUInt64BE(BigInt(ms));
  return bytes;
}

function timeOf(bytes: Uint8Array): number | undefined {
  if (bytes.length !== TIME_BYTES) return undefined;
  const ms = Number(Buffer.from(bytes).readBigUInt64BE());
  return Number.isSafeInteger(ms) ? ms : undefined;
}

function asciiOf(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch {
    return ''; // never a valid name
  }
}
