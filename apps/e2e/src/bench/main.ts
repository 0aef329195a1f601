// `npm run bench`: every target in turn, several rounds in one run, so that a noisy machine is noisy for all of them.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { measureAccess } from './access.js';
import { makeFleet } from './fleet.js';
import { measureLargeFleet } from './large-fleet.js';
import { ledgerLag, untilLedgered } from './ledger-lag.js';
import { failuresText, percentile, perSecond, runLoad } from './load.js';
import { parseBenchOptions, type BenchOptions } from './options.js';
import { residentMiB } from './process-cpu.js';
import { cpuRatios, reportPage, type Report } from './report.js';
import { cpuPerOperation, runRounds, type RoundsOptions, type Target } from './rounds.js';
import { startServers, type BenchServers } from './servers.js';
import { batchTargets, makeTargets, RETRIEVE } from './targets.js';

const SMALL_FLEET = { credentials: 200, rotating: 100 };
const WARM_UP_MS = 1_000;
const PAGE = join(import.meta.dirname, '../../../../docs/benchmarks.md');
const say = (text: string): void => void process.stderr.write(`${text}\n`);

async function measure(servers: BenchServers): Promise<void> {
  const options = parseBenchOptions(process.argv.slice(2));
  const { only } = options;
  const size = { ...SMALL_FLEET, principals: options.clients };
  say(
    `a small fleet: ${Object.entries(size)
      .map(([what, count]) => `${String(count)} ${what}`)
      .join(', ')}`,
  );
  const fleet = await makeFleet(servers.home, size);
  let worstLag = 0;
  const rounds: RoundsOptions = {
    ...options,
    pids: () => servers.pids(),
    async onRound(target, inFlight, round) {
      if (target === RETRIEVE) worstLag = Math.max(worstLag, await ledgerLag(servers.httpPort));
      const [vault = NaN] = cpuPerOperation({ rounds: [round] }, 'vault');
      say(
        `${target}, ${String(inFlight)} in flight: ${perSecond(round.load).toFixed(0)}/s, p99 ${percentile(round.load, 0.99).toFixed(1)} ms, vault ${vault.toFixed(0)} µs, failures: ${failuresText(round.load)}`,
      );
    },
  };
  const targets = await makeTargets(servers.bareUrl, fleet, fleet.plainProfiles);
  const isWanted = ({ name }: Pick<Target, 'name'>): boolean =>
    only.length === 0 || only.some((start) => name.startsWith(start));
  const wanted = targets.filter(isWanted);
  // Code is compiled as it runs: a second of each that does not count.
  for (const { ask } of wanted) await runLoad(ask, 16, WARM_UP_MS);
  const measured = [
    ...(await runRounds(wanted, rounds)),
    // A batch is a hundred operations in itself: one request after another.
    ...(await runRounds(batchTargets(fleet).filter(isWanted), { ...rounds, inFlight: [1] })),
  ];
  const drainSeconds = await untilLedgered(servers.httpPort);
  for (const line of cpuRatios(measured)) say(line.join('  '));
  const [vaultPid = 0] = (await servers.pids()).vault ?? [];
  const access = await measureAccess(fleet, { home: servers.home, vaultPid, options, say });
  const memory = await memoryOf(servers);
  const largeFleet =
    options.credentials === 0 || !isWanted({ name: 'fleet' })
      ? undefined
      : await measureLargeFleet(fleet, {
          ...{ credentials: options.credentials, versions: options.versions, targets, rounds, say },
          ...{ home: servers.home, backups: join(servers.home, '../backups') },
          settled: () => untilLedgered(servers.httpPort),
        });
  if (largeFleet !== undefined) say(`fleet: ${JSON.stringify({ ...largeFleet, list: undefined })}`);
  if (only.length === 0) {
    const facts = factsOf(options, worstLag, drainSeconds);
    await writeFile(options.page ?? PAGE, reportPage({ measured, memory, largeFleet, access, facts }));
  }
  await fleet.close();
}

const memoryOf = async (servers: BenchServers): Promise<Report['memory']> =>
  Object.entries(await servers.pids()).map(([name, pids]) => ({ name, residentMiB: residentMiB(pids) }));

const factsOf = (options: BenchOptions, worstLag: number, drainSeconds: number): Report['facts'] => ({
  configuration:
    'that of `npm start`: JetStream `sync_interval: always`, embedded Postgres, 1 % of traces sampled; nobody is locked for a burst of denials',
  data: `${String(SMALL_FLEET.credentials)} credentials of 256 bytes, ${String(options.clients)} principals; ${String(options.rounds)} rounds of ${String(options.durationMs / 1_000)} s each`,
  connections: 'the echoes are asked over as many connections as the retrieves',
  retrieve: 'through the end-to-end channel, journal record fsynced before the value leaves',
  'ledger backlog': `at most ${String(worstLag)} records after a retrieve run; drained ${drainSeconds.toFixed(1)} s after the last run`,
});

const servers = await startServers(process.env.NATS_SERVER ?? 'nats-server');
try {
  await measure(servers);
} finally {
  await servers.stop();
}
process.exit(0);
