import { createHash, sign, verify, type KeyObject } from 'node:crypto';
import {
  KeymeshError,
  concat,
  fromBase64Url,
  toBase64Url,
  toHex,
  utf8,
  verifyingKeyOf,
  type SigningKey,
} from '@keymesh/kernel';
import { fromBase64, toBase64 } from './base64.js';

// SOURCE: C2SP signed-note.
const ED25519_TYPE = 0x01;
const KEY_ID_BYTES = 4;
const MAX_NOTE_CHARS = 1_000_000;
const MAX_SIGNATURES = 64;
const SIGNATURE_LINE = /^\u2014 (\S+) (\S+)$/;

/** A key that may sign notes, as everyone may know it. */
export interface NoteVerifier {
  /** Key name; for a log its origin. */
  readonly name: string;
  /** First 4 bytes of SHA-256(name ‖ "\n" ‖ 0x01 ‖ public key). A hint, not a proof. */
  readonly keyId: Uint8Array;
  readonly publicKey: KeyObject;
  /** `<name>+<key id in hex>+<base64 of 0x01 ‖ public key>`: what people pin. */
  readonly text: string;
}

/** A name may hold no space, control character or plus, and must not be empty. */
export const isKeyName = (name: string): boolean => name !== '' && !/[\s+\u0000-\u001f\u007f]/u.test(name);

/** The verifier of a signing key under a name. @throws CONFIG_INVALID when the name is not a key name. */
export function noteVerifierOf(name: string, publicKeyText: string): NoteVerifier {
  const raw = fromBase64Url(publicKeyText);
  const publicKey = verifyingKeyOf(publicKeyText);
  if (!isKeyName(name) || raw === undefined || publicKey === undefined) {
    throw new KeymeshError('CONFIG_INVALID', {
      publicMessage: 'The log origin must be a name without spaces or plus signs.',
    });
  }
  const typed = concat(Uint8Array.of(ED25519_TYPE), raw);
  const keyId = keyIdOf(name, typed);
  return { name, keyId, publicKey, text: `${name}+${toHex(keyId)}+${toBase64(typed)}` };
}

/** Reads the text form. @returns undefined unless it is an Ed25519 verifier key whose id fits. */
export function parseNoteVerifier(text: string): NoteVerifier | undefined {
  const [name = '', keyIdHex, ...encoded] = text.split('+');
  const typed = fromBase64(encoded.join('+')); // base64 has plus signs of its own
  if (!isKeyName(name) || typed?.length !== 33 || typed[0] !== ED25519_TYPE) return undefined;
  const verifier = noteVerifierOf(name, toBase64Url(typed.subarray(1)));
  return toHex(verifier.keyId) === keyIdHex ? verifier : undefined;
}

/** Signs a text that ends in a newline. @returns the note: text, blank line, one signature line. Deterministic. */
export function signNote(text: string, name: string, key: SigningKey): string {
  if (!isNoteText(text)) throw new KeymeshError('BAD_REQUEST');
  const verifier = noteVerifierOf(name, key.publicKeyText);
  const signature = new Uint8Array(sign(null, utf8(text), key.privateKey));
  return `${text}\n\u2014 ${name} ${toBase64(concat(verifier.keyId, signature))}\n`;
}

/** Why a note was not opened. */
export type NoteFailure = 'malformed' | 'no-known-signature' | 'invalid-signature';
export type OpenedNote =
  { readonly ok: true; readonly text: string } | { readonly ok: false; readonly reason: NoteFailure };

/**
 * Opens a note: its text counts only when the known key signed it. Signatures by unknown keys (witnesses) are ignored;
 * a signature that claims the known key and is wrong refuses the whole note.
 */
export function openNote(note: string, verifier: NoteVerifier): OpenedNote {
  const parsed = parseNote(note);
  if (parsed === undefined) return { ok: false, reason: 'malformed' };
  const claimed = parsed.signatures.filter(
    ({ name, keyId }) => name === verifier.name && toHex(keyId) === toHex(verifier.keyId),
  );
  if (claimed.length === 0) return { ok: false, reason: 'no-known-signature' };
  const message = utf8(parsed.text);
  return claimed.every(
    ({ signature }) => signature.length === 64 && verify(null, message, verifier.publicKey, signature),
  )
    ? { ok: true, text: parsed.text }
    : { ok: false, reason: 'invalid-signature' };
}

interface NoteSignature {
  readonly name: string;
  readonly keyId: Uint8Array;
  readonly signature: Uint8Array;
}

function parseNote(note: string): { text: string; signatures: NoteSignature[] } | undefined {
  if (note.length > MAX_NOTE_CHARS || !note.endsWith('\n')) return undefined;
  const split = note.lastIndexOf('\n\n');
  const text = note.slice(0, split + 1);
  if (split < 0 || !isNoteText(text)) return undefined;
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) return undefined;
  const signatures = lines.map(parseSignature);
  return signatures.includes(undefined)
    ? undefined
    : { text, signatures: signatures.filter((s) => s !== undefined) };
}

function parseSignature(line: string): NoteSignature | undefined {
  const [, name = '', encoded = ''] = SIGNATURE_LINE.exec(line) ?? [];
  const bytes = fromBase64(encoded);
  if (!isKeyName(name) || bytes === undefined || bytes.length <= KEY_ID_BYTES) return undefined;
  return { name, keyId: bytes.subarray(0, KEY_ID_BYTES), signature: bytes.subarray(KEY_ID_BYTES) };
}

const isNoteText = (text: string): boolean =>
  text.endsWith('\n') && !/[\u0000-\u0009\u000b-\u001f]/u.test(text);

function keyIdOf(name: string, typedKey: Uint8Array): Uint8Array {
  const digest = createHash('sha256').update(`${name}\n`).update(typedKey).digest();
  return new Uint8Array(digest.subarray(0, KEY_ID_BYTES));
}
