import canonicalize from 'canonicalize';
import {
  fromBase64Url,
  fromUtf8,
  signFor,
  toBase64Url,
  utf8,
  verifyFor,
  type SignaturePurpose,
  type SigningKey,
} from '@keymesh/kernel';

/** What was signed, as text: `base64url(signer public key).base64url(RFC 8785 JSON).base64url(signature)`. */
export interface SignedText {
  /** Public key (32 bytes, base64url) that it names itself. */
  readonly signer: string;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}

/** RFC 8785 bytes of a message that holds only JSON values. */
export function canonicalBytes(message: unknown): Uint8Array {
  const json = canonicalize(message);
  if (json === undefined) throw new TypeError('not a JSON value');
  return utf8(json);
}

/** Signs a message of JSON values for one purpose. Deterministic. */
export function writeSignedText(purpose: SignaturePurpose, message: unknown, key: SigningKey): string {
  const payload = canonicalBytes(message);
  return [key.publicKeyText, toBase64Url(payload), toBase64Url(signFor(purpose, payload, key))].join('.');
}

/** Takes a text apart; nothing is verified. @returns undefined for another form. */
export function splitSignedText(text: string): SignedText | undefined {
  const [signer = '', payloadText = '', signatureText = '', ...rest] = text.split('.');
  const payload = fromBase64Url(payloadText);
  const signature = fromBase64Url(signatureText);
  if (rest.length > 0 || payload === undefined || signature === undefined) return undefined;
  return { signer, payload, signature };
}

/** Whether the key that the text names signed it for this purpose. Never throws. */
export const isSigned = (purpose: SignaturePurpose, { payload, signature, signer }: SignedText): boolean =>
  verifyFor(purpose, payload, signature, signer);

/** INVARIANT: one message has one text, so that repeats are seen and hashes agree. */
export const isCanonical = (message: unknown, payload: Uint8Array): boolean =>
  Buffer.compare(canonicalBytes(message), payload) === 0;

/** @returns undefined for bytes that are no JSON. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(bytes));
  } catch {
    return undefined;
  }
}
