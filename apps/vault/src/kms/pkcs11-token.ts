// Runs as a process of its own (pkcs11.ts starts it): a PKCS#11 module is a maker's native library, whose calls block, may hang and may crash. As source, in
// specs, Node strips the types: so it imports packages only.
import { randomBytes } from 'node:crypto';
import type { Handle, PKCS11, TokenInfo } from 'pkcs11js';

/** Which key of which token. */
export interface TokenPlace {
  readonly module: string;
  readonly tokenLabel: string;
  readonly slot: number | undefined;
  readonly keyLabel: string;
  readonly pin: Uint8Array;
}

export interface TokenRequest {
  readonly id: number;
  readonly call: 'wrap' | 'unwrap';
  readonly bytes: Uint8Array;
  readonly aad: Uint8Array;
}

/** `refused`: bytes or context are others; `away`: the token does not work; `invalid`: it is not set up as the configuration says. */
export type TokenReply =
  | { readonly id: number; readonly bytes: Uint8Array }
  | { readonly id: number; readonly outcome: 'refused' | 'away' | 'invalid'; readonly reason: string };

interface Session {
  readonly handle: Handle;
  readonly key: Handle;
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Return values that another try cannot change, and that must not be tried again: tokens lock themselves after a few wrong PINs. */
const PIN_REFUSED = [0xa0, 0xa1, 0xa2, 0xa3, 0xa4];
const ALREADY_INITIALIZED = 0x191;
const ALREADY_LOGGED_IN = 0x100;
// SOURCE: PKCS #11 v2.40: CKR_ENCRYPTED_DATA_INVALID, CKR_ENCRYPTED_DATA_LEN_RANGE, CKR_AEAD_DECRYPT_FAILED (v3.0).
const DATA_REFUSED = [0x40, 0x41, 0x42];
/** Session, login, token or device are gone: says nothing of the bytes. */
const GONE = [0x30, 0x32, 0xb0, 0xb3, 0xe0, 0x101];

/** The token is not as the configuration says; the text names labels and rules only. */
class Invalid extends Error {}

const library = await import('pkcs11js').catch(() => undefined);
let place: TokenPlace | undefined;
let token: { readonly api: PKCS11; session: Session | undefined } | undefined;

process.on('message', (message: TokenPlace | TokenRequest) => {
  if ('module' in message) place = message;
  else send(answer(message));
});
// The vault is gone, or has given this process up.
process.on('disconnect', () => process.exit(0));

/** Sending copies the bytes: ours are zeroed right after. */
function send(reply: TokenReply): void {
  process.send?.(reply);
  if ('bytes' in reply) reply.bytes.fill(0);
}

function answer({ id, call, bytes, aad }: TokenRequest): TokenReply {
  try {
    return { id, bytes: again(() => (call === 'wrap' ? wrap(bytes, aad) : unwrap(bytes, aad))) };
  } catch (error) {
    if (error instanceof Invalid) return { id, outcome: 'invalid', reason: error.message };
    const refused = call === 'unwrap' && hasRefusedBytes(codeOf(error));
    const reason = `CKR 0x${codeOf(error).toString(16)}`;
    return { id, outcome: refused ? 'refused' : 'away', reason };
  } finally {
    bytes.fill(0);
  }
}

/** Once more with a new session, then with the library loaded anew: sessions end when a token is taken out or restarts. */
function again<T>(work: () => T): T {
  for (const forget of [forgetSession, forgetToken]) {
    try {
      return work();
    } catch (error) {
      if (error instanceof Invalid || DATA_REFUSED.includes(codeOf(error))) throw error;
      forget();
    }
  }
  return work();
}

/** Tokens answer a wrong tag differently, some with a general error: one that still wraps and unwraps has refused the bytes. */
function hasRefusedBytes(code: number): boolean {
  if (DATA_REFUSED.includes(code)) return true;
  if (GONE.includes(code)) return false;
  try {
    const aad = randomBytes(1);
    return again(() => unwrap(wrap(new Uint8Array(1), aad), aad)).length === 1;
  } catch {
    return false;
  }
}

// SOURCE: NIST SP 800-38D section 8.2.2: random nonces of 96 bits, for at most 2^32 wraps under one key.
function wrap(plain: Uint8Array, aad: Uint8Array): Uint8Array {
  const { api, session } = open();
  const nonce = randomBytes(NONCE_BYTES);
  api.C_EncryptInit(session.handle, gcm(nonce, aad), session.key);
  const body = api.C_Encrypt(session.handle, viewOf(plain), Buffer.alloc(plain.length + TAG_BYTES));
  return Buffer.concat([nonce, body]);
}

function unwrap(wrapped: Uint8Array, aad: Uint8Array): Uint8Array {
  const { api, session } = open();
  const [nonce, body] = [wrapped.subarray(0, NONCE_BYTES), wrapped.subarray(NONCE_BYTES)];
  api.C_DecryptInit(session.handle, gcm(nonce, aad), session.key);
  return api.C_Decrypt(session.handle, viewOf(body), Buffer.alloc(body.length));
}

/** The same memory, so that zeroing one zeroes both. */
const viewOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

function gcm(nonce: Uint8Array, aad: Uint8Array) {
  const bits = { ivBits: NONCE_BYTES * 8, tagBits: TAG_BYTES * 8 };
  const type = library?.default.CK_PARAMS_AES_GCM ?? 0;
  const parameter = { type, iv: viewOf(nonce), aad: viewOf(aad), ...bits };
  return { mechanism: library?.default.CKM_AES_GCM ?? 0, parameter };
}

function open(): { readonly api: PKCS11; readonly session: Session } {
  if (place === undefined || library === undefined)
    throw new Invalid(
      'needs the package pkcs11js, which is compiled when it is installed: install a C++ compiler and run npm install again',
    );
  token ??= { api: load(library.default, place), session: undefined };
  token.session ??= openSession(token.api, library.default, place);
  return { api: token.api, session: token.session };
}

type Library = typeof import('pkcs11js');

function load({ PKCS11, CKF_OS_LOCKING_OK }: Library, { module }: TokenPlace): PKCS11 {
  const api = new PKCS11();
  try {
    api.load(module);
  } catch {
    throw new Invalid(`KEYMESH_KMS_PKCS11_MODULE: ${module} is not a PKCS#11 library that loads here`);
  }
  tolerate(ALREADY_INITIALIZED, () => api.C_Initialize({ flags: CKF_OS_LOCKING_OK }));
  return api;
}

function openSession(api: PKCS11, constants: Library, where: TokenPlace): Session {
  const handle = api.C_OpenSession(findSlot(api, where), constants.CKF_SERIAL_SESSION);
  try {
    // The library takes text; the PIN's bytes come from a file.
    tolerate(ALREADY_LOGGED_IN, () =>
      api.C_Login(handle, constants.CKU_USER, Buffer.from(where.pin).toString('utf8')),
    );
    return { handle, key: findKey(api, constants, handle, where) };
  } catch (error) {
    api.C_CloseSession(handle);
    if (PIN_REFUSED.includes(codeOf(error)))
      throw new Invalid('KEYMESH_KMS_PKCS11_PIN_FILE: the token does not take this PIN, or has locked it');
    throw error;
  }
}

/** Labels are padded with blanks; some tools pad with zero bytes. */
const labelOf = ({ label }: TokenInfo): string => label.replace(/[ \0]+$/, '');

/** A token that is not there may come: that is no failure of the configuration. */
function findSlot(api: PKCS11, { tokenLabel, slot }: TokenPlace): Handle {
  const slots = api.C_GetSlotList(true);
  const found = slots.filter(
    (one) =>
      labelOf(api.C_GetTokenInfo(one)) === tokenLabel &&
      (slot === undefined || Number(one.readBigUInt64LE()) === slot),
  );
  if (found.length > 1)
    throw new Invalid('KEYMESH_KMS_PKCS11_SLOT: several tokens have this label; say which slot');
  if (found[0] === undefined) throw new Error('the token is not there');
  return found[0];
}

function findKey(api: PKCS11, constants: Library, session: Handle, { keyLabel }: TokenPlace): Handle {
  api.C_FindObjectsInit(session, [
    { type: constants.CKA_CLASS, value: constants.CKO_SECRET_KEY },
    { type: constants.CKA_KEY_TYPE, value: constants.CKK_AES },
    { type: constants.CKA_TOKEN, value: true },
    { type: constants.CKA_LABEL, value: keyLabel },
  ]);
  const found = api.C_FindObjects(session, 2);
  api.C_FindObjectsFinal(session);
  const rule = (text: string) => new Invalid(`KEYMESH_KMS_PKCS11_KEY_LABEL: ${text}`);
  if (found[0] === undefined) throw rule('the token has no AES key of this label');
  if (found.length > 1) throw rule('the token has several AES keys of this label');
  const [extractable, sensitive] = api.C_GetAttributeValue(session, found[0], [
    { type: constants.CKA_EXTRACTABLE },
    { type: constants.CKA_SENSITIVE },
  ]);
  // INVARIANT: a root key that can be read out of its token is none.
  if (isSet(extractable?.value) || !isSet(sensitive?.value))
    throw rule('the key must be sensitive and not extractable');
  return found[0];
}

const isSet = (value: unknown): boolean => (Buffer.isBuffer(value) ? value[0] === 1 : value === true);

function forgetSession(): void {
  if (token?.session === undefined) return;
  const { handle } = token.session;
  token.session = undefined;
  quietly(() => token?.api.C_CloseSession(handle));
}

function forgetToken(): void {
  const gone = token?.api;
  token = undefined;
  quietly(() => gone?.C_Finalize());
  quietly(() => gone?.close());
}

function tolerate(code: number, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (codeOf(error) !== code) throw error;
  }
}

/** What is given up anyway may fail. */
function quietly(work: () => void): void {
  try {
    work();
  } catch {
    // It is gone already.
  }
}

const codeOf = (error: unknown): number => {
  const { code } = error as { readonly code?: unknown };
  return typeof code === 'number' ? code : 0;
};
