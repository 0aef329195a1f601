import { KeymeshError } from '@keymesh/kernel';

// INVARIANT: one error for every cause, without details or cause: which check failed is told to nobody (no oracle).
/** Whatever does not open. */
export const closed = (): KeymeshError => new KeymeshError('DECRYPTION_FAILED');
