import { growFleet, grownNameOf, type Fleet } from './fleet.js';
import { measureBackup, measureRewrap, type RowsRate } from './key-rates.js';
import { mergeLoads, percentile } from './load.js';
import { residentMiB } from './process-cpu.js';
import {
  cpuPerOperation,
  median,
  runRounds,
  type Measured,
  type RoundsOptions,
  type Target,
} from './rounds.js';
import { listTarget, NEST_ECHO, RETRIEVE, retrieveTarget } from './targets.js';

/** Retrieve (and, for the machine's own unrest, an echo) beside one fleet. */
export interface FleetFacts {
  readonly retrieveP99Ms: number;
  readonly echoP99Ms: number;
  /** CPU microseconds for a retrieve. */
  readonly vaultCpu: number;
  /** Resident memory of the vault. */
  readonly vaultMiB: number;
}

export interface LargeFleet {
  readonly credentials: number;
  readonly versions: number;
  readonly storeSeconds: number;
  readonly few: FleetFacts;
  readonly many: FleetFacts;
  readonly list: Measured | undefined;
  readonly rates: readonly RowsRate[];
}

export interface LargeFleetOptions {
  readonly credentials: number;
  readonly versions: number;
  readonly echo: Target;
  readonly rounds: RoundsOptions;
  /** Waits until the ledger has caught up. */
  readonly settled: () => Promise<unknown>;
  readonly say: (text: string) => void;
  /** KEYMESH_HOME of the mesh, and a folder for a backup of it. */
  readonly home: string;
  readonly backups: string;
}

const IN_FLIGHT = [16];

/** Whether a large fleet makes a retrieve slower: the same runs with few credentials, and with many of several versions. */
export async function measureLargeFleet(fleet: Fleet, options: LargeFleetOptions): Promise<LargeFleet> {
  const { credentials, versions, settled, say } = options;
  await settled();
  const few = await factsOf(retrieveTarget(fleet), options);
  const startedAt = performance.now();
  await growFleet(fleet, credentials, versions, (stored) => say(`${String(stored)} versions stored`));
  const storeSeconds = (performance.now() - startedAt) / 1_000;
  await settled();
  const many = await factsOf(
    retrieveTarget(fleet, (index) => grownNameOf((index * 7_919) % credentials)),
    options,
  );
  const [list] = await runRounds([listTarget(fleet)], { ...options.rounds, inFlight: [1] });
  const rates = [
    await measureRewrap(fleet.operator, 'bench'),
    ...measureBackup(options.home, options.backups),
  ];
  return { credentials, versions, storeSeconds, few, many, list, rates };
}

async function factsOf(retrieve: Target, { echo, rounds }: LargeFleetOptions): Promise<FleetFacts> {
  const measured = await runRounds([echo, retrieve], { ...rounds, inFlight: IN_FLIGHT });
  const of = (name: string): Measured | undefined => measured.find(({ target }) => target === name);
  const p99 = (found: Measured | undefined): number =>
    found === undefined ? NaN : median(found.rounds.map(({ load }) => percentile(mergeLoads([load]), 0.99)));
  const retrieved = of(RETRIEVE);
  const pids = await rounds.pids();
  return {
    retrieveP99Ms: p99(retrieved),
    echoP99Ms: p99(of(NEST_ECHO)),
    vaultCpu: retrieved === undefined ? NaN : median(cpuPerOperation(retrieved, 'vault')),
    vaultMiB: residentMiB(pids.vault ?? []),
  };
}
