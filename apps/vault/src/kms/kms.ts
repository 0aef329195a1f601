import type { Secret } from '@keymesh/kernel';

/** What the wrapping is for; authenticated with it, so that a wrapped key unwraps only where it belongs. Ids and versions, never a name. */
export type WrapContext = Readonly<Record<string, string>>;

/**
 * The root of all keys: wraps KEKs and the vault's own keys. One file per KMS; several make one root (composite.ts).
 * A call ends in its own time or is abandoned (resilient.ts); an implementation keeps no queue.
 */
export interface Kms {
  /** Recorded beside each wrapped key: `local`, `aws-kms`. */
  readonly provider: string;
  /** Which key of the provider wraps now. */
  readonly keyId: string;
  /** Present where it cannot unwrap as it is configured: recovery without shares. */
  readonly wrapsOnly?: boolean;
  /** @param plain at most 4,096 bytes; the caller keeps ownership. @throws KMS_UNAVAILABLE */
  wrapKey(plain: Secret, context: WrapContext): Promise<Uint8Array>;
  /**
   * @returns the key, which the caller disposes.
   * @throws KMS_UNAVAILABLE when it does not answer or refuses us; DECRYPTION_FAILED when the bytes or the context are not what was wrapped.
   */
  unwrapKey(wrapped: Uint8Array, context: WrapContext): Promise<Secret>;
  /** Lets go of what it keeps of the root in memory. What is called after it fails. */
  dispose?(): void;
}
