import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { OAuth2Client } from 'google-auth-library';
import type { GcpKmsOptions } from '../../src/kms/gcp-kms.js';
import { crc32c } from '../../src/kms/crc32c.js';
import { startHttpStub, type HttpStub, type SeenRequest, type StubAnswer } from './http-stub.js';

const RING = 'projects/keymesh/locations/europe-west3/keyRings/mesh/cryptoKeys';

/** Cloud KMS' REST API: encrypt and decrypt with real AES-256-GCM, additional authenticated data and checksums. */
export interface GcpStub {
  readonly http: HttpStub;
  readonly token: string;
  /** Options for a key by its name; absent key: a random one. */
  options(name: string, key?: Buffer): GcpKmsOptions;
  /** Changes the service's answer; \`undefined\`: as it is. */
  misbehave:
    ((request: SeenRequest, answer: StubAnswer) => ReturnType<HttpStub['answer']> | undefined) | undefined;
}

export async function startGcpStub(): Promise<GcpStub> {
  const http = await startHttpStub();
  const token = randomBytes(16).toString('hex');
  const keys = new Map<string, Buffer>();
  const { hostname, port } = new URL(http.address);
  const stub: GcpStub = {
    http,
    token,
    misbehave: undefined,
    options(name, bytes = randomBytes(32)) {
      const key = `${RING}/${name}`;
      if (!keys.has(key)) keys.set(key, bytes);
      return { key, client: clientOf(hostname, Number(port), token) };
    },
  };
  http.answer = (request) => {
    const answer =
      request.headers.authorization === `Bearer ${token}`
        ? serve(keys, request)
        : gcpError(401, 'UNAUTHENTICATED');
    return stub.misbehave?.(request, answer) ?? answer;
  };
  return stub;
}

/** The same client, where nobody listens. */
export function clientOf(
  apiEndpoint: string,
  port: number,
  token: string,
): NonNullable<GcpKmsOptions['client']> {
  const authClient = new OAuth2Client();
  authClient.setCredentials({ access_token: token });
  return { apiEndpoint, port, protocol: 'http', authClient };
}

export const gcpError = (code: number, status: string): StubAnswer => ({
  status: code,
  body: { error: { code, status, message: 'told by the server' } },
});

function serve(keys: ReadonlyMap<string, Buffer>, { method, path, body }: SeenRequest): StubAnswer {
  const asked = /^\/v1\/([^:?]+):(encrypt|decrypt)(\?|$)/.exec(decodeURIComponent(path));
  const key = keys.get(asked?.[1] ?? '');
  if (method !== 'POST' || asked === null || key === undefined) return gcpError(404, 'NOT_FOUND');
  const aad = bytesOf(body.additionalAuthenticatedData);
  const input = bytesOf(asked[2] === 'encrypt' ? body.plaintext : body.ciphertext);
  const inputCrc = asked[2] === 'encrypt' ? body.plaintextCrc32c : body.ciphertextCrc32c;
  if (Number(body.additionalAuthenticatedDataCrc32c) !== crc32c(aad) || Number(inputCrc) !== crc32c(input))
    return gcpError(400, 'INVALID_ARGUMENT');
  return asked[2] === 'encrypt' ? encrypt(String(asked[1]), key, input, aad) : decrypt(key, input, aad);
}

function encrypt(name: string, key: Buffer, plaintext: Buffer, aad: Buffer): StubAnswer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(aad);
  const ciphertext = Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  return {
    status: 200,
    body: {
      name: `${name}/cryptoKeyVersions/1`,
      ciphertext: ciphertext.toString('base64'),
      ciphertextCrc32c: String(crc32c(ciphertext)),
      verifiedPlaintextCrc32c: true,
      verifiedAdditionalAuthenticatedDataCrc32c: true,
      protectionLevel: 'HSM',
    },
  };
}

function decrypt(key: Buffer, ciphertext: Buffer, aad: Buffer): StubAnswer {
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, ciphertext.subarray(0, 12), { authTagLength: 16 });
    decipher.setAAD(aad).setAuthTag(ciphertext.subarray(-16));
    const plaintext = Buffer.concat([decipher.update(ciphertext.subarray(12, -16)), decipher.final()]);
    const body = { plaintext: plaintext.toString('base64'), plaintextCrc32c: String(crc32c(plaintext)) };
    return { status: 200, body: { ...body, usedPrimary: true, protectionLevel: 'HSM' } };
  } catch {
    return gcpError(400, 'INVALID_ARGUMENT');
  }
}

const bytesOf = (text: unknown): Buffer => Buffer.from(typeof text === 'string' ? text : '', 'base64');
