import { DefaultAzureCredential, type TokenCredential } from '@azure/identity';
import { KeyClient, type CryptographyClient, type KeyClientOptions } from '@azure/keyvault-keys';
import { makeWrappingKey, openUnderWrappingKey, sealUnderWrappingKey } from '@keymesh/crypto';
import { concat, Secret, utf8 } from '@keymesh/kernel';
import { bindContext, openBound, textOfContext } from './bound-context.js';
import type { Kms } from './kms.js';
import { errorNameOf, kmsUnavailable, notWrappedHere } from './kms-failures.js';

export interface AzureKeyVaultOptions {
  /** `https://<vault>/keys/<name>`, without a version: the newest wraps, and each wrapped key names its own. */
  readonly keyId: string;
  /** RSA-OAEP-256 for an RSA key, A256KW for an AES key of a Managed HSM. */
  readonly algorithm: 'RSA-OAEP-256' | 'A256KW';
  /** Absent: the SDK's own chain (environment, workload identity, managed identity, CLI). */
  readonly credential?: TokenCredential;
  readonly client?: KeyClientOptions;
}

// A read that needs the KMS waits for it: better to fail within the caller's deadline and say so than to hang.
const TIMEOUT_MS = 3_000;
const RETRIES = { maxRetries: 1, retryDelayInMs: 100, maxRetryDelayInMs: 500 };
/** How many versions of the key are kept open: those that rows name. */
const MAX_CLIENTS = 16;

/**
 * Azure Key Vault and Managed HSM. They wrap few bytes and authenticate no context, so what they wrap is a wrapping key made for this one wrap, with the
 * context inside; the key itself is sealed under it.
 *
 * Wrapped: u8 format = 1 ‖ key version (32 ASCII) ‖ u16 size ‖ what Azure wrapped ‖ sealed box.
 */
export function makeAzureKeyVaultKms(options: AzureKeyVaultOptions): Kms {
  const { keyId, algorithm } = options;
  const azure = openKeyVault(options);
  return {
    provider: 'azure-key-vault',
    keyId,
    async wrapKey(plain, context) {
      using wrappingKey = makeWrappingKey();
      using bound = bindContext(wrappingKey, context);
      const { version, wrapped } = await azured(async (abortSignal) => {
        const { properties } = await azure.keys.getKey(azure.name, { abortSignal });
        const current = properties.version ?? '';
        // EXPOSE: Key Vault wraps what it is given, over TLS.
        const answer = await azure.ofVersion(current).wrapKey(algorithm, bound.expose(), { abortSignal });
        return { version: current, wrapped: answered(answer.result) };
      });
      const header = encodeHeader(version, wrapped);
      const box = sealUnderWrappingKey({ wrappingKey, header, context: textOfContext(context), key: plain });
      return concat(header, box);
    },
    async unwrapKey(wrapped, context) {
      const { version, wrappedKey, header, box } = decodeWrapped(wrapped);
      using bound = await azured(async (abortSignal) => {
        const answer = await azure.ofVersion(version).unwrapKey(algorithm, wrappedKey, { abortSignal });
        return new Secret(answered(answer.result), 'bound-key');
      });
      using wrappingKey = openBound(bound, context);
      return openUnderWrappingKey({ wrappingKey, header, context: textOfContext(context), box });
    },
  };
}

interface OpenKeyVault {
  readonly keys: KeyClient;
  readonly name: string;
  ofVersion(version: string): CryptographyClient;
}

function openKeyVault({ keyId, credential, client }: AzureKeyVaultOptions): OpenKeyVault {
  const url = new URL(keyId);
  const name = url.pathname.split('/')[2] ?? '';
  const keys = new KeyClient(url.origin, credential ?? new DefaultAzureCredential(), {
    retryOptions: RETRIES,
    ...client,
  });
  const clients = new Map<string, CryptographyClient>();
  return {
    keys,
    name,
    ofVersion(version) {
      const known = clients.get(version);
      if (known !== undefined) return known;
      // INVARIANT: vault and key are the configured ones; a row only says which version of that key.
      const made = keys.getCryptographyClient(name, { keyVersion: version });
      if (clients.size >= MAX_CLIENTS) clients.clear();
      clients.set(version, made);
      return made;
    },
  };
}

async function azured<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> {
  try {
    return await call(AbortSignal.timeout(TIMEOUT_MS));
  } catch (error) {
    // INVARIANT: only names and numbers survive; SDK errors carry the request and its response.
    const { statusCode, code } = error as { readonly statusCode?: unknown; readonly code?: unknown };
    // SOURCE: Key Vault REST API: 400 BadParameter for bytes that do not unwrap.
    if (statusCode === 400 && code === 'BadParameter') throw notWrappedHere();
    const reason = typeof statusCode === 'number' ? `HTTP ${String(statusCode)}` : errorNameOf(error);
    throw kmsUnavailable('azure-key-vault', reason);
  }
}

/** The SDK promises bytes, and hands on what it got. */
function answered(bytes: Uint8Array | undefined): Uint8Array {
  if (bytes === undefined || bytes.length === 0) throw new Error('no bytes');
  return bytes;
}

const FORMAT = 1;
/** As Azure makes them: 32 hexadecimal digits. */
const VERSION = /^[0-9a-f]{32}$/;
const VERSION_AT = 1;
const SIZE_AT = VERSION_AT + 32;
const WRAPPED_AT = SIZE_AT + 2;

/** All that stands before the box; the box authenticates it. */
function encodeHeader(version: string, wrappedKey: Uint8Array): Uint8Array {
  if (!VERSION.test(version)) throw kmsUnavailable('azure-key-vault', 'no key version');
  const size = Buffer.alloc(2);
  size.writeUInt16BE(wrappedKey.length);
  return concat(Uint8Array.of(FORMAT), utf8(version), size, wrappedKey);
}

function decodeWrapped(bytes: Uint8Array) {
  const wrapped = Buffer.from(bytes);
  if (wrapped[0] !== FORMAT || wrapped.length < WRAPPED_AT) throw notWrappedHere();
  const version = wrapped.toString('latin1', VERSION_AT, SIZE_AT);
  const boxAt = WRAPPED_AT + wrapped.readUInt16BE(SIZE_AT);
  if (!VERSION.test(version) || wrapped.length < boxAt) throw notWrappedHere();
  const wrappedKey = wrapped.subarray(WRAPPED_AT, boxAt);
  return { version, wrappedKey, header: wrapped.subarray(0, boxAt), box: wrapped.subarray(boxAt) };
}
