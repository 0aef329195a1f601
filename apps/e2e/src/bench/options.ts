import { parseArgs } from 'node:util';

/** How much is measured. `npm run bench -- --rounds 5 --in-flight 16 --only retrieve --only "Nest echo"` measures a part. */
export interface BenchOptions {
  readonly rounds: number;
  readonly durationMs: number;
  readonly inFlight: readonly number[];
  /** Principals that ask. */
  readonly clients: number;
  /** Size of the large fleet; 0: no large fleet. */
  readonly credentials: number;
  readonly versions: number;
  /** Size of the larger directory for decisions. */
  readonly principals: number;
  readonly policies: number;
  /** Questions for what is absent and what is forbidden. */
  readonly pairs: number;
  /** Changes of policy. */
  readonly changes: number;
  /** Where the page goes; undefined: docs/benchmarks.md. */
  readonly page: string | undefined;
  /** Beginnings of names of targets and parts (`decision`, `channel`, `hiding`, `connections`, `spread`, `fleet`); empty: all of them, and only then the page is written. */
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
      clients: { type: 'string', default: '100' },
      credentials: { type: 'string', default: '10000' },
      versions: { type: 'string', default: '5' },
      principals: { type: 'string', default: '1000' },
      policies: { type: 'string', default: '500' },
      pairs: { type: 'string', default: '1000' },
      changes: { type: 'string', default: '40' },
      page: { type: 'string' },
      only: { type: 'string', multiple: true, default: [] },
    },
  });
  return {
    rounds: Number(values.rounds),
    durationMs: Number(values.seconds) * 1_000,
    inFlight: values['in-flight'].split(',').map(Number),
    clients: Number(values.clients),
    credentials: Number(values.credentials),
    versions: Number(values.versions),
    principals: Number(values.principals),
    policies: Number(values.policies),
    pairs: Number(values.pairs),
    changes: Number(values.changes),
    page: values.page,
    only: values.only,
  };
}
