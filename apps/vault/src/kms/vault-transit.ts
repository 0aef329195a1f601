import { concat, Secret } from '@keymesh/kernel';
import { textOfContext } from './bound-context.js';
import type { Kms, WrapContext } from './kms.js';
import { errorNameOf, kmsUnavailable, notWrappedHere } from './kms-failures.js';
import type { TransitAuth } from './settings/vault-transit.js';
import { makeTransitLogin } from './transit-login.js';

export interface VaultTransitOptions {
  /** e.g. `https://bao.example:8200`. */
  readonly address: string;
  /** Name of the transit key: aes256-gcm96, or another AEAD key that takes associated data. */
  readonly key: string;
  /** Where the transit engine is mounted. */
  readonly mount: string;
  readonly namespace?: string | undefined;
  readonly auth: TransitAuth;
}

// A read that needs the KMS waits for it: better to fail within the caller's deadline and say so than to hang.
const REQUEST_TIMEOUT_MS = 2_000;
const KEY_VERSION_BYTES = 4;
/** Nonce and tag of aes256-gcm96. */
const LEAST_BODY_BYTES = 12 + 16;
/** How the server says that bytes or associated data are not what was encrypted; everything else it says is about us or about itself. */
const NOT_WRAPPED_HERE = /message authentication failed|invalid ciphertext/;

/**
 * The transit engine of OpenBao and HashiCorp Vault: the context is its associated data. A wrapped key is kept as u32 key version ‖ bytes, not as the
 * server's text: base64 has several texts for the same bytes.
 */
export function makeVaultTransitKms(options: VaultTransitOptions): Kms {
  const { call, dispose } = makeCalls(options);
  const path = (verb: 'encrypt' | 'decrypt'): string =>
    `${options.mount}/${verb}/${encodeURIComponent(options.key)}`;
  return {
    provider: 'vault-transit',
    keyId: `${options.mount}/${options.key}`,
    async wrapKey(plain, context) {
      // EXPOSE: transit wraps what it is given, over TLS; its API takes base64 in JSON, so this one string cannot be avoided.
      const plaintext = Buffer.from(plain.expose()).toString('base64');
      const { ciphertext } = await call(path('encrypt'), { plaintext, associated_data: aadOf(context) });
      return fromTransitText(ciphertext);
    },
    async unwrapKey(wrapped, context) {
      const ciphertext = toTransitText(wrapped);
      const { plaintext } = await call(path('decrypt'), { ciphertext, associated_data: aadOf(context) });
      if (typeof plaintext !== 'string') throw unavailable('no plaintext');
      return new Secret(new Uint8Array(Buffer.from(plaintext, 'base64')), 'unwrapped-key');
    },
    dispose,
  };
}

const unavailable = (error: string) => kmsUnavailable('vault-transit', error);
const aadOf = (context: WrapContext): string => Buffer.from(textOfContext(context)).toString('base64');

// SOURCE: OpenBao API, transit engine: `vault:v<key version>:<base64>`.
function fromTransitText(text: unknown): Uint8Array {
  const parts = typeof text === 'string' ? /^vault:v([1-9]\d{0,8}):([A-Za-z0-9+/]+=*)$/.exec(text) : null;
  if (parts === null) throw unavailable('no ciphertext');
  const version = Buffer.alloc(KEY_VERSION_BYTES);
  version.writeUInt32BE(Number(parts[1]));
  return concat(version, Buffer.from(parts[2] ?? '', 'base64'));
}

function toTransitText(wrapped: Uint8Array): string {
  if (wrapped.length < KEY_VERSION_BYTES + LEAST_BODY_BYTES) throw notWrappedHere();
  const version = Buffer.from(wrapped).readUInt32BE();
  // The server takes version 0 for 1, as its first releases counted: two forms of one wrapped key.
  if (version === 0) throw notWrappedHere();
  const body = Buffer.from(wrapped.subarray(KEY_VERSION_BYTES)).toString('base64');
  return `vault:v${String(version)}:${body}`;
}

type Answer = Readonly<Record<string, unknown>>;
type Call = (path: string, body: Readonly<Record<string, string>>) => Promise<Answer>;

/** POSTs as who we are. A login that the server has forgotten is made anew, once. */
function makeCalls({ address, namespace, auth }: VaultTransitOptions): { call: Call; dispose: () => void } {
  const post = async (path: string, body: object, token?: Secret): Promise<Response> =>
    fetch(new URL(`/v1/${path}`, address), {
      method: 'POST',
      redirect: 'error',
      headers: {
        'content-type': 'application/json',
        // SOURCE: OpenBao refuses what a request forgery could make a browser send.
        'x-vault-request': 'true',
        ...(namespace === undefined ? {} : { 'x-vault-namespace': namespace }),
        // EXPOSE: the token is how this protocol authenticates; a header has to be a string.
        ...(token === undefined ? {} : { 'x-vault-token': Buffer.from(token.expose()).toString('utf8') }),
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    }).catch((error: unknown) => {
      throw unavailable(errorNameOf(error));
    });
  const login = makeTransitLogin(auth, async (path, body) => {
    const response = await post(path, body);
    return response.json().catch(() => undefined);
  });

  let isOver = false;
  const call: Call = async (path, body) => {
    if (isOver) throw unavailable('it was let go of');
    let response = await post(path, body, await login.token());
    if (response.status === 403) {
      await response.body?.cancel();
      login.forget();
      response = await post(path, body, await login.token());
    }
    return readAnswer(response);
  };
  return {
    call,
    dispose() {
      isOver = true;
      login.forget();
    },
  };
}

async function readAnswer(response: Response): Promise<Answer> {
  const answer = (await response.json().catch(() => undefined)) as
    { readonly data?: Answer; readonly errors?: unknown } | null | undefined;
  if (response.ok && answer?.data !== undefined) return answer.data;
  const wrongBytes = response.status === 400 && NOT_WRAPPED_HERE.test(String(answer?.errors));
  throw wrongBytes ? notWrappedHere() : unavailable(`HTTP ${String(response.status)}`);
}
