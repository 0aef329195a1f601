/** Exponentially weighted mean and variance of the counts per minute of one principal. */
export interface Ewma {
  readonly mean: number;
  readonly variance: number;
  /** Minutes folded in. */
  readonly minutes: number;
}

export const EMPTY_EWMA: Ewma = { mean: 0, variance: 0, minutes: 0 };

/**
 * Folds one closed minute into the average: with d = x − μ, μ' = μ + α·d and σ²' = (1 − α)·(σ² + α·d²).
 * While fewer than 1/α minutes are known, α is 1/(minutes + 1): the plain mean and variance, so that the first minute does not
 * weigh as much as all that follow.
 * SOURCE: T. Finch, "Incremental calculation of weighted mean and variance" (2009), section 9.
 * @param count events of the minute, ≥ 0. @param alpha weight of the newest minute, in (0, 1].
 */
export function foldMinute(average: Ewma, count: number, alpha: number): Ewma {
  const weight = Math.max(alpha, 1 / (average.minutes + 1));
  const difference = count - average.mean;
  const increment = weight * difference;
  return {
    mean: average.mean + increment,
    variance: (1 - weight) * (average.variance + difference * increment),
    minutes: average.minutes + 1,
  };
}

/**
 * The deviation that a count is measured by: the standard deviation, but at least `floor`, and at least √mean.
 * The floor keeps a very regular principal (variance near 0) from being unusual at one event more;
 * √mean is what independent events scatter by anyway (Poisson), however regular the past was.
 */
export const deviationOf = ({ mean, variance }: Ewma, floor: number): number =>
  Math.max(Math.sqrt(variance), Math.sqrt(Math.max(mean, 0)), floor);

/** How many deviations a count lies above the mean: (x − μ) / max(σ, √μ, floor). Grows with the count. */
export const zScore = (count: number, average: Ewma, floor: number): number =>
  (count - average.mean) / deviationOf(average, floor);

/**
 * What is folded in of an outlying count: at most μ + limit deviations (winsorising), so that one burst does not make the next
 * one normal, while a lasting change is learnt in some minutes.
 * SOURCE: P. Huber, "Robust Statistics" (1981), section 1.3: bounded influence.
 */
export const clipped = (count: number, average: Ewma, floor: number, limit: number): number =>
  Math.min(count, average.mean + limit * deviationOf(average, floor));
