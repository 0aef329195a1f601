import { SECOND } from '@keymesh/kernel';
import { pause } from '../pause.js';

const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 30 * SECOND;
const LONGEST_BLOCKING_RETRY_MS = 5 * SECOND;

/** 250 ms, then twice as long each time, up to 30 s. @param attempt from 1. */
export const retryDelayMs = (attempt: number): number =>
  Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempt - 1, 20));

/** Tries again and again, at most 5 s apart: whatever stands behind waits. @returns false when it was stopped before it succeeded. */
export async function untilDone(
  work: () => Promise<void>,
  signal: AbortSignal,
  onError: (error: unknown) => void,
): Promise<boolean> {
  for (let attempt = 1; !signal.aborted; attempt += 1) {
    try {
      await work();
      return true;
    } catch (error) {
      onError(error);
      await pause(Math.min(LONGEST_BLOCKING_RETRY_MS, retryDelayMs(attempt)), signal);
    }
  }
  return false;
}
