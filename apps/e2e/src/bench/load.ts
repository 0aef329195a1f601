/** One closed-loop run: `inFlight` workers, each asking again as soon as it has its answer. */
export interface LoadResult {
  readonly operations: number;
  readonly failures: number;
  readonly seconds: number;
  /** Milliseconds, ascending. */
  readonly latencies: Float64Array;
}

/**
 * Loads one target for a bounded time.
 * @param ask one operation; `worker` is 0..inFlight-1, `turn` counts all operations.
 */
export async function runLoad(
  ask: (worker: number, turn: number) => Promise<void>,
  inFlight: number,
  durationMs: number,
): Promise<LoadResult> {
  const latencies: number[] = [];
  let failures = 0;
  let turn = 0;
  const start = performance.now();
  const worker = async (id: number): Promise<void> => {
    while (performance.now() - start < durationMs) {
      const asked = performance.now();
      try {
        await ask(id, turn++);
        latencies.push(performance.now() - asked);
      } catch {
        failures += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: inFlight }, (_, id) => worker(id)));
  const seconds = (performance.now() - start) / 1000;
  return { operations: latencies.length, failures, seconds, latencies: Float64Array.from(latencies).sort() };
}

/** Puts several runs of the same target together. */
export function mergeLoads(results: readonly LoadResult[]): LoadResult {
  const all = results.flatMap(({ latencies }) => [...latencies]);
  const sum = (pick: (result: LoadResult) => number): number =>
    results.reduce((total, result) => total + pick(result), 0);
  return {
    operations: sum((r) => r.operations),
    failures: sum((r) => r.failures),
    seconds: sum((r) => r.seconds),
    latencies: Float64Array.from(all).sort(),
  };
}

/** @param share 0..1. NaN for no measurement. */
export const percentile = ({ latencies }: LoadResult, share: number): number =>
  latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? NaN;

/** Of plain numbers, in any order. @param share 0..1. NaN for none. */
export function percentileOf(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

export const perSecond = ({ operations, seconds }: LoadResult): number => operations / seconds;
