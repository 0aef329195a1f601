import { KeyManagementServiceClient } from '@google-cloud/kms';
import { Secret, utf8 } from '@keymesh/kernel';
import { textOfContext } from './bound-context.js';
import { crc32c } from './crc32c.js';
import type { Kms } from './kms.js';
import { errorNameOf, kmsUnavailable, notWrappedHere } from './kms-failures.js';

type ClientOptions = NonNullable<ConstructorParameters<typeof KeyManagementServiceClient>[0]>;

export interface GcpKmsOptions {
  /** `projects/…/locations/…/keyRings/…/cryptoKeys/…`, without a version: Cloud KMS finds the version by itself. */
  readonly key: string;
  /** Absent: application default credentials. */
  readonly client?: ClientOptions;
}

// A read that needs the KMS waits for it: better to fail within the caller's deadline and say so than to hang.
const CALL = { timeout: 2_000, retry: null };
/** SOURCE: google.rpc.Code: what Decrypt answers when ciphertext or additional authenticated data are others. */
const INVALID_ARGUMENT = 3;

/**
 * Google Cloud KMS: the context is its additional authenticated data. Checksums in both directions find what got damaged on the way, as Google's guide
 * to data integrity asks.
 */
export function makeGcpKms({ key, client }: GcpKmsOptions): Kms {
  // Over HTTP/1.1 and JSON: passes any proxy, and brings no second network stack.
  const kms = new KeyManagementServiceClient({ fallback: true, ...client });
  return {
    provider: 'gcp-kms',
    keyId: key,
    async wrapKey(plain, context) {
      // EXPOSE: Cloud KMS wraps what it is given, over TLS.
      const plaintext = plain.expose();
      const aad = utf8(textOfContext(context));
      const answer = await answered(
        kms.encrypt(
          {
            name: key,
            plaintext,
            plaintextCrc32c: { value: crc32c(plaintext) },
            additionalAuthenticatedData: aad,
            additionalAuthenticatedDataCrc32c: { value: crc32c(aad) },
          },
          CALL,
        ),
      );
      const whole = answer.verifiedPlaintextCrc32c && answer.verifiedAdditionalAuthenticatedDataCrc32c;
      // INVARIANT: of the very key that is configured, whole in both directions; else nothing is kept.
      if (whole !== true || answer.name?.startsWith(`${key}/cryptoKeyVersions/`) !== true)
        throw damagedOnTheWay();
      return checked(answer.ciphertext, answer.ciphertextCrc32c);
    },
    async unwrapKey(wrapped, context) {
      if (wrapped.length === 0) throw notWrappedHere();
      const aad = utf8(textOfContext(context));
      const answer = await answered(
        kms.decrypt(
          {
            name: key,
            ciphertext: wrapped,
            ciphertextCrc32c: { value: crc32c(wrapped) },
            additionalAuthenticatedData: aad,
            additionalAuthenticatedDataCrc32c: { value: crc32c(aad) },
          },
          CALL,
        ),
        notWrappedHere,
      );
      return new Secret(checked(answer.plaintext, answer.plaintextCrc32c), 'unwrapped-key');
    },
  };
}

const damagedOnTheWay = () => kmsUnavailable('gcp-kms', 'damaged on the way');

/** @param onInvalid what an invalid argument means, where it can only be the bytes or the context. */
async function answered<T>(call: Promise<[T, ...unknown[]]>, onInvalid?: () => Error): Promise<T> {
  try {
    return (await call)[0];
  } catch (error) {
    // INVARIANT: only names and numbers survive; SDK errors carry the request and its response.
    const { code } = error as { readonly code?: unknown };
    if (code === INVALID_ARGUMENT && onInvalid !== undefined) throw onInvalid();
    throw kmsUnavailable('gcp-kms', typeof code === 'number' ? `code ${String(code)}` : errorNameOf(error));
  }
}

/** The answer's bytes, as the answer's own checksum says they are. */
function checked(
  bytes: Uint8Array | string | null | undefined,
  crc: { readonly value?: unknown } | null | undefined,
): Uint8Array {
  const found = typeof bytes === 'string' ? Buffer.from(bytes, 'base64') : (bytes ?? new Uint8Array());
  if (found.length === 0 || Number(crc?.value ?? Number.NaN) !== crc32c(found)) throw damagedOnTheWay();
  return new Uint8Array(found);
}
