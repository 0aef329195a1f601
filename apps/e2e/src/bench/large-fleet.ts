import { growFleet, grownNameOf, type Fleet } from './fleet.js';
import { measureBackup, measureFsck, measureRewrap, type RowsRate } from './key-rates.js';
import { mergeLoads, percentile } from './load.js';
import { residentMiB } from './process-cpu.js';
import {
  cpuPerOperation,
  median,
  runOnce,
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
  /** The first read of each of the many, which fetches and unwraps it: `vaultCpu` of that pass, and its p99. */
  readonly first: Pick<FleetFacts, 'retrieveP99Ms' | 'vaultCpu'>;
  /** The many, each of which was read before. */
  readonly many: FleetFacts;
  readonly list: Measured | undefined;
  readonly rates: readonly RowsRate[];
}

export interface LargeFleetOptions {
  readonly credentials: number;
  readonly versions: number;
  /** Of the small fleet, the Nest echo among them. */
  readonly targets: readonly Target[];
  readonly rounds: RoundsOptions;
  /** Waits until the ledger has caught up. */
  readonly settled: () => Promise<unknown>;
  readonly say: (text: string) => void;
  /** KEYMESH_HOME of the mesh, and a folder for a backup of it. */
  readonly home: string;
  readonly backups: string;
}

const IN_FLIGHT = 16;

/** Whether a large fleet makes a retrieve slower: the same runs with few credentials, and with many of several versions. */
export async function measureLargeFleet(fleet: Fleet, options: LargeFleetOptions): Promise<LargeFleet> {
  const { credentials, versions, settled, say } = options;
  await settled();
  const few = await factsOf(retrieveTarget(fleet), options);
  const startedAt = performance.now();
  await growFleet(fleet, credentials, versions, (stored) => say(`${String(stored)} versions stored`));
  const storeSeconds = (performance.now() - startedAt) / 1_000;
  await settled();
  const first = await firstReads(fleet, options);
  await settled();
  const many = await factsOf(
    retrieveTarget(fleet, (index) => grownNameOf((index * 7_919) % credentials)),
    options,
  );
  const [list] = await runRounds([listTarget(fleet)], { ...options.rounds, inFlight: [1] });
  const rates = [
    await measureRewrap(fleet.operator, 'bench'),
    await measureFsck(options.home),
    ...(await measureBackup(options.home, options.backups)),
  ];
  return { credentials, versions, storeSeconds, few, first, many, list, rates };
}

/** Reads each of the many once. Without it the rounds would measure mostly this. */
async function firstReads(
  fleet: Fleet,
  { credentials, rounds }: LargeFleetOptions,
): Promise<LargeFleet['first']> {
  const target: Target = {
    name: `${RETRIEVE}, first of each`,
    ask: async (worker, turn) => {
      const reader = fleet.readers[worker % fleet.readers.length] ?? fleet.operator;
      (await reader.credentials.retrieve(grownNameOf(turn))).dispose();
    },
  };
  const round = await runOnce(target, IN_FLIGHT, rounds, credentials);
  await rounds.onRound(target.name, IN_FLIGHT, round);
  const [vaultCpu = NaN] = cpuPerOperation({ rounds: [round] }, 'vault');
  return { retrieveP99Ms: percentile(round.load, 0.99), vaultCpu };
}

async function factsOf(retrieve: Target, { targets, rounds }: LargeFleetOptions): Promise<FleetFacts> {
  const echoes = targets.filter(({ name }) => name === NEST_ECHO);
  const measured = await runRounds([...echoes, retrieve], { ...rounds, inFlight: [IN_FLIGHT] });
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
