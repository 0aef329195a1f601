import { parseArgs } from 'node:util';

/** How much is measured. `npm run bench -- --rounds 5 --in-flight 16 --only retrieve --only "Nest echo"` measures a part. */
export interface BenchOptions {
  readonly rounds: number;
  readonly durationMs: number;
  readonly inFlight: readonly number[];
  /** Size of the large fleet; 0: no large fleet. */
  readonly credentials: number;
  readonly versions: number;
  /** Beginnings of targets' names; empty: all of them, and only then the page is written. */
  readonly only: readonly string[];
}

/** @throws TypeError for an option that there is not. */
export function parseBenchOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '2' },
      'in-flight': { type: 'string', default: '1,16,100' },
      credentials: { type: 'string', default: '10000' },
      versions: { type: 'string', default: '5' },
      only: { type: 'string', multiple: true, default: [] },
    },
  });
  return {
    rounds: Number(values.rounds),
    durationMs: Number(values.seconds) * 1_000,
    inFlight: values['in-flight'].split(',').map(Number),
    credentials: Number(values.credentials),
    versions: Number(values.versions),
    only: values.only,
  };
}
