import { failure } from '@keymesh/contracts';
import type { KeymeshError } from '@keymesh/kernel';

/**
 * A KMS that does not answer, or does not do its work for us.
 * @param error the name or number of what went wrong. INVARIANT: never a text of the KMS: it may repeat what was sent.
 */
export const kmsUnavailable = (kms: string, error: string): KeymeshError =>
  failure('KMS_UNAVAILABLE', { details: { kms, error } });

/** The bytes or the context are not what this key wrapped; which of them is told to nobody. */
export const notWrappedHere = (): KeymeshError => failure('DECRYPTION_FAILED');

/** What may be told of anything that an SDK throws: the kind of error. */
export const errorNameOf = (error: unknown): string => (error instanceof Error ? error.name : 'unknown');
