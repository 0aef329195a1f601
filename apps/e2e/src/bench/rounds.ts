import { runLoad, type LoadResult } from './load.js';
import { cpuMs } from './process-cpu.js';

/** Something that is asked again and again. */
export interface Target {
  readonly name: string;
  /** One operation; `worker` is 0..inFlight-1, `turn` counts all operations of a run. */
  readonly ask: (worker: number, turn: number) => Promise<void>;
}

/** One run of a target, and what each process spent meanwhile. */
export interface Round {
  readonly load: LoadResult;
  /** CPU milliseconds by process. */
  readonly cpu: Readonly<Record<string, number>>;
}

export interface Measured {
  readonly target: string;
  readonly inFlight: number;
  readonly rounds: readonly Round[];
}

export interface RoundsOptions {
  readonly rounds: number;
  readonly durationMs: number;
  readonly inFlight: readonly number[];
  /** Process ids by name. */
  readonly pids: () => Promise<Readonly<Record<string, number[]>>>;
  readonly onRound: (target: string, inFlight: number, round: Round) => void | Promise<void>;
}

/** Runs every target in turn, several rounds, so that a machine that is busy for a while is busy for all of them. */
export async function runRounds(targets: readonly Target[], options: RoundsOptions): Promise<Measured[]> {
  const measured = options.inFlight.flatMap((inFlight) =>
    targets.map((target) => ({ target, inFlight, rounds: [] as Round[] })),
  );
  for (let count = 0; count < options.rounds; count += 1) {
    for (const { target, inFlight, rounds } of measured) {
      const round = await runOnce(target, inFlight, options);
      rounds.push(round);
      await options.onRound(target.name, inFlight, round);
    }
  }
  return measured.map(({ target, inFlight, rounds }) => ({ target: target.name, inFlight, rounds }));
}

/** One run: of `durationMs`, or of `turns` operations if they are named. */
export async function runOnce(
  { ask }: Target,
  inFlight: number,
  options: Pick<RoundsOptions, 'pids' | 'durationMs'>,
  turns?: number,
): Promise<Round> {
  const pids = Object.entries(await options.pids());
  const before = pids.map(([, ids]) => cpuMs(ids));
  const load = await runLoad(ask, inFlight, turns === undefined ? options.durationMs : Infinity, turns);
  const cpu = Object.fromEntries(pids.map(([name, ids], at) => [name, cpuMs(ids) - (before[at] ?? 0)]));
  return { load, cpu };
}

/** CPU microseconds of one process for an operation, one number a round. */
export const cpuPerOperation = ({ rounds }: Pick<Measured, 'rounds'>, process: string): readonly number[] =>
  rounds.map(({ load, cpu }) => ((cpu[process] ?? 0) * 1_000) / load.operations);

/** NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? NaN;
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? NaN) + upper) / 2 : upper;
}
