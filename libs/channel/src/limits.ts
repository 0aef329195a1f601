import { DAY, HOUR, MINUTE } from '@keymesh/kernel';

/** Longest life of a session, milliseconds. */
export const MAX_SESSION_MS = 12 * HOUR;
/** Longest life of a channel key: the forward-secrecy window, milliseconds. */
export const MAX_CHANNEL_KEY_MS = DAY;
/** Sequences run from 1 to this, in each direction. Far below GCM's bound of 2^32 messages a key (NIST SP 800-38D section 8.3). */
export const MAX_MESSAGES = 2 ** 20;
/** How far two machines' clocks may differ, milliseconds. Only makes things valid a little early, never longer. */
export const CLOCK_SKEW_MS = MINUTE;
/** Sequences that may arrive out of order. */
export const WINDOW_BITS = 4_096;
export const KEY_BYTES = 32;
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;
export const SALT_BYTES = 32;
