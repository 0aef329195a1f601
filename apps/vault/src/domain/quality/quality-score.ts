import type { Finding } from '@keymesh/contracts';

/** From here on more bits do not make a value any better. */
const ENOUGH_BITS = 80;
const TAKEN_BY = { warning: 10, error: 40 } as const;

/**
 * 0 to 100: `100 × bits / 80`, at most 100, less 10 for each warning and 40 for each error. What the vault made itself begins at 100.
 * @param bits strength of the weakest part; undefined: nothing can be judged.
 * @returns null where nothing was judged.
 */
export const qualityScoreOf = (bits: number | undefined, findings: readonly Finding[]): number | null =>
  scoreWith(bits === undefined ? null : Math.round(Math.min(100, (100 * bits) / ENOUGH_BITS)), findings);

/** A score once more findings are known. */
export const scoreWith = (score: number | null, findings: readonly Finding[]): number | null =>
  score === null
    ? null
    : Math.max(
        0,
        findings.reduce((rest, { severity }) => rest - TAKEN_BY[severity], score),
      );
