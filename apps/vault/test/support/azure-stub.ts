import {
  constants,
  createCipheriv,
  createDecipheriv,
  generateKeyPairSync,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  type KeyObject,
} from 'node:crypto';
import { createHttpHeaders } from '@azure/core-rest-pipeline';
import type { KeyClientOptions } from '@azure/keyvault-keys';
import type { AzureKeyVaultOptions } from '../../src/kms/azure-key-vault.js';
import { startHttpStub, type HttpStub, type SeenRequest, type StubAnswer } from './http-stub.js';

/** Where the SDK believes to be; its requests go to the stub. TLS is not part of what is stubbed. */
const VAULT = 'https://keymesh.vault.example';
/** SOURCE: RFC 3394 section 2.2.3.1: the default initial value. */
const KEY_WRAP_IV = Buffer.alloc(8, 0xa6);

type Algorithm = AzureKeyVaultOptions['algorithm'];
/** One version of a key: both kinds of it. */
export interface VersionOfKey {
  /** 32 hexadecimal digits. */
  readonly version: string;
  readonly rsa: { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
  readonly aes: Buffer;
}

/** Key Vault's REST API for one vault: challenge, get key, wrapkey and unwrapkey with real RSA-OAEP-256 and AES key wrap. */
export interface AzureStub {
  readonly http: HttpStub;
  readonly token: string;
  /** Options for a key by its name. */
  options(name: string, algorithm?: Algorithm): AzureKeyVaultOptions;
  /** Makes a new version of the key the current one; absent: a random one. */
  rotate(name: string, version?: VersionOfKey): void;
  /** Answers in place of the service; absent: the service. */
  misbehave: ((request: SeenRequest) => ReturnType<HttpStub['answer']> | undefined) | undefined;
}

const makeVersion = (): VersionOfKey => ({
  version: randomBytes(16).toString('hex'),
  rsa: generateKeyPairSync('rsa', { modulusLength: 2_048 }),
  aes: randomBytes(32),
});

export async function startAzureStub(): Promise<AzureStub> {
  const http = await startHttpStub();
  const token = randomBytes(16).toString('hex');
  const keys = new Map<string, VersionOfKey[]>();
  const rotate = (name: string, version = makeVersion()): void => {
    keys.set(name, [...(keys.get(name) ?? []), version]);
  };
  const stub: AzureStub = {
    http,
    token,
    rotate,
    misbehave: undefined,
    options: (name, algorithm = 'RSA-OAEP-256') => ({
      keyId: `${VAULT}/keys/${name}`,
      algorithm,
      credential: {
        getToken: (scopes) => {
          if (String(scopes) !== 'https://vault.example/.default')
            throw new Error(`asked for ${String(scopes)}`);
          return Promise.resolve({ token, expiresOnTimestamp: Date.now() + 3_600_000 });
        },
      },
      client: { httpClient: { sendRequest: (request) => sendTo(http.address, request) } },
    }),
  };
  http.answer = (request) => {
    if (request.headers.authorization !== `Bearer ${token}`) return CHALLENGE;
    return stub.misbehave?.(request) ?? serve(keys, request);
  };
  return stub;
}

const CHALLENGE: StubAnswer = {
  status: 401,
  headers: {
    'www-authenticate':
      'Bearer authorization="https://login.example/tenant", resource="https://vault.example"',
  },
};

export const azureError = (status: number, code: string): StubAnswer => ({
  status,
  body: { error: { code, message: 'told by the server' } },
});

function serve(
  keys: ReadonlyMap<string, readonly VersionOfKey[]>,
  { method, path, body }: SeenRequest,
): StubAnswer {
  const url = new URL(path, VAULT);
  const [, root, name = '', version = '', operation] = url.pathname.split('/');
  const versions = keys.get(name);
  const found = version === '' ? versions?.at(-1) : versions?.find((one) => one.version === version);
  if (root !== 'keys' || found === undefined || url.searchParams.get('api-version') === null)
    return azureError(404, 'KeyNotFound');
  const kid = `${VAULT}/keys/${name}/${found.version}`;
  if (method === 'GET') {
    const key = {
      kid,
      kty: 'RSA',
      key_ops: ['wrapKey', 'unwrapKey'],
      ...found.rsa.publicKey.export({ format: 'jwk' }),
    };
    return { status: 200, body: { key, attributes: { enabled: true } } };
  }
  const value = Buffer.from(String(body.value), 'base64url');
  try {
    const result = compute(found, String(operation), body.alg as Algorithm, value);
    return { status: 200, body: { kid, value: result.toString('base64url') } };
  } catch {
    return azureError(400, 'BadParameter');
  }
}

function compute({ rsa, aes }: VersionOfKey, operation: string, algorithm: Algorithm, value: Buffer): Buffer {
  const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };
  switch (`${operation} ${algorithm}`) {
    case 'wrapkey RSA-OAEP-256':
      return publicEncrypt({ key: rsa.publicKey, ...padding }, value);
    case 'unwrapkey RSA-OAEP-256':
      return privateDecrypt({ key: rsa.privateKey, ...padding }, value);
    case 'wrapkey A256KW': {
      const cipher = createCipheriv('id-aes256-wrap', aes, KEY_WRAP_IV);
      return Buffer.concat([cipher.update(value), cipher.final()]);
    }
    case 'unwrapkey A256KW': {
      const decipher = createDecipheriv('id-aes256-wrap', aes, KEY_WRAP_IV);
      return Buffer.concat([decipher.update(value), decipher.final()]);
    }
    default:
      throw new Error('no such operation');
  }
}

type SdkClient = NonNullable<KeyClientOptions['httpClient']>;

/** Carries a request of the SDK to the stub, path and all. */
async function sendTo(
  address: string,
  request: Parameters<SdkClient['sendRequest']>[0],
): ReturnType<SdkClient['sendRequest']> {
  if (!request.url.startsWith(`${VAULT}/`)) throw new Error(`the SDK asks elsewhere: ${request.url}`);
  const response = await fetch(address + request.url.slice(VAULT.length), {
    method: request.method,
    headers: request.headers.toJSON(),
    ...(request.body === undefined || request.body === null ? {} : { body: request.body as string }),
    ...(request.abortSignal === undefined ? {} : { signal: request.abortSignal as AbortSignal }),
  });
  return {
    request,
    status: response.status,
    headers: createHttpHeaders(Object.fromEntries(response.headers)),
    bodyAsText: await response.text(),
  };
}
