import { DecryptCommand, EncryptCommand, KMSClient, KMSServiceException } from '@aws-sdk/client-kms';
import { Secret } from '@keymesh/kernel';
import type { Kms, WrapContext } from './kms.js';
import { errorNameOf, kmsUnavailable, notWrappedHere } from './kms-failures.js';

export interface AwsKmsOptions {
  /** Key id, ARN or alias that wraps. */
  readonly keyId: string;
  readonly region: string;
  /** Another address than AWS's own, e.g. an emulator or a VPC endpoint. */
  readonly endpoint?: string | undefined;
  /** Absent: the SDK's own chain (environment, files, instance role). */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

// A read that needs the KMS waits for it: better to fail within the caller's deadline and say so than to hang.
const CONNECT_TIMEOUT_MS = 1_000;
const REQUEST_TIMEOUT_MS = 2_000;
const MAX_ATTEMPTS = 2;
/** The bytes or the context are not what was wrapped; anything else means that the KMS did not do its work for us. */
const NOT_WRAPPED_HERE = new Set(['InvalidCiphertextException', 'IncorrectKeyException']);
/** SOURCE: AWS KMS API reference, Decrypt, length constraint of CiphertextBlob. */
const MAX_WRAPPED_BYTES = 6_144;

/** AWS KMS: the context travels as its EncryptionContext, which also stands in CloudTrail. */
export function makeAwsKms(options: AwsKmsOptions): Kms {
  const client = new KMSClient({
    region: options.region,
    maxAttempts: MAX_ATTEMPTS,
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      throwOnRequestTimeout: true,
    },
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
  });
  return {
    provider: 'aws-kms',
    keyId: options.keyId,
    async wrapKey(plain, context) {
      // EXPOSE: AWS KMS wraps what it is given, over TLS.
      const Plaintext = plain.expose();
      const EncryptionContext = { ...context };
      const { CiphertextBlob } = await translated(() =>
        client.send(new EncryptCommand({ KeyId: options.keyId, Plaintext, EncryptionContext })),
      );
      return answered(CiphertextBlob);
    },
    async unwrapKey(wrapped, context: WrapContext) {
      if (wrapped.length === 0 || wrapped.length > MAX_WRAPPED_BYTES) throw notWrappedHere();
      // INVARIANT: the key is named: otherwise whoever can write our rows could hand us a key that they wrapped under a key of theirs.
      const { Plaintext } = await translated(() =>
        client.send(
          new DecryptCommand({
            KeyId: options.keyId,
            CiphertextBlob: wrapped,
            EncryptionContext: { ...context },
          }),
        ),
      );
      return new Secret(answered(Plaintext), 'unwrapped-key');
    },
  };
}

async function translated<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    // INVARIANT: only the error's name survives; SDK errors carry the request and its response.
    if (error instanceof KMSServiceException && NOT_WRAPPED_HERE.has(error.name)) throw notWrappedHere();
    throw kmsUnavailable('aws-kms', errorNameOf(error));
  }
}

function answered(bytes: Uint8Array | undefined): Uint8Array {
  if (bytes === undefined) throw kmsUnavailable('aws-kms', 'no bytes');
  return bytes;
}
