import { MAX_MESSAGES, WINDOW_BITS } from './limits.js';

/** Remembers which sequences were received: exactly for the newest {@link WINDOW_BITS}, as "seen" for all older. */
export interface SequenceWindow {
  /** @returns false when the sequence was seen or is too old to tell. Call it only for an authenticated message. */
  take(sequence: number): boolean;
  /** Highest sequence taken; 0 before the first. */
  highest(): number;
}

/** @param floor sequences up to this one count as seen. */
export function makeSequenceWindow(floor = 0): SequenceWindow {
  const words = new Uint32Array(WINDOW_BITS / 32);
  let highest = floor;
  const bitOf = (sequence: number): { word: number; mask: number } => {
    const bit = sequence % WINDOW_BITS;
    return { word: bit >>> 5, mask: 1 << (bit & 31) };
  };
  const clear = (sequence: number): void => {
    const { word, mask } = bitOf(sequence);
    words[word] = (words[word] ?? 0) & ~mask;
  };
  return {
    take(sequence) {
      if (sequence <= floor || sequence <= highest - WINDOW_BITS) return false;
      if (sequence > highest) {
        // INVARIANT: a slot that comes into the window again is cleared before use.
        if (sequence - highest >= WINDOW_BITS) words.fill(0);
        else for (let next = highest + 1; next <= sequence; next++) clear(next);
        highest = sequence;
      }
      const { word, mask } = bitOf(sequence);
      const seen = words[word] ?? 0;
      if ((seen & mask) !== 0) return false;
      words[word] = seen | mask;
      return true;
    },
    highest: () => highest,
  };
}

/** Whether this is a sequence that a session may use at all. */
export const isSequence = (sequence: number): boolean => Number.isSafeInteger(sequence) && sequence >= 1;

/** Whether the session's allowance of messages is used up at this sequence. */
export const isBeyondLimit = (sequence: number): boolean => sequence > MAX_MESSAGES;
