/** One closed-loop run: `inFlight` workers, each asking again as soon as it has its answer. */
export interface LoadResult {
  readonly operations: number;
  /** How many by error code; what has no code is counted by its name. */
  readonly failures: Readonly<Record<string, number>>;
  readonly seconds: number;
  /** Milliseconds, ascending. */
  readonly latencies: Float64Array;
}

/**
 * Loads one target for a bounded time, or a number of operations.
 * @param ask one operation; `worker` is 0..inFlight-1, `turn` counts all operations.
 */
export async function runLoad(
  ask: (worker: number, turn: number) => Promise<void>,
  inFlight: number,
  durationMs: number,
  turns = Infinity,
): Promise<LoadResult> {
  const latencies: number[] = [];
  const failures: Record<string, number> = {};
  let turn = 0;
  const start = performance.now();
  const worker = async (id: number): Promise<void> => {
    while (turn < turns && performance.now() - start < durationMs) {
      const asked = performance.now();
      try {
        await ask(id, turn++);
        latencies.push(performance.now() - asked);
      } catch (error) {
        const { code, name } = error as { code?: string; name?: string };
        const what = code ?? name ?? 'unknown';
        failures[what] = (failures[what] ?? 0) + 1;
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
    failures: sumByCode(results),
    seconds: sum((r) => r.seconds),
    latencies: Float64Array.from(all).sort(),
  };
}

function sumByCode(results: readonly LoadResult[]): LoadResult['failures'] {
  const total: Record<string, number> = {};
  for (const { failures } of results)
    for (const [code, count] of Object.entries(failures)) total[code] = (total[code] ?? 0) + count;
  return total;
}

/** `0`, or `ROTATION_IN_PROGRESS 33`: callers must be able to tell a limit from a fault. */
export function failuresText({ failures }: Pick<LoadResult, 'failures'>): string {
  const counts = Object.entries(failures).sort(([, a], [, b]) => b - a);
  return counts.length === 0 ? '0' : counts.map(([code, count]) => `${code} ${String(count)}`).join(', ');
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
