import { KeymeshError } from '@keymesh/kernel';

// INVARIANT: a refusal says one of three things and no more: what exactly did not fit is told to nobody (no oracle), so
// none of these has a cause, details, or a text of its own.

/** Not authentic, or not made for this place. */
export const rejected = (): KeymeshError => new KeymeshError('CHANNEL_REJECTED');

/** The session or key is over, or unknown here: a new session helps. */
export const expired = (): KeymeshError => new KeymeshError('CHANNEL_EXPIRED');

/** Authentic, but this sequence was already received or is too old to tell. */
export const replayed = (): KeymeshError => new KeymeshError('REPLAYED');
