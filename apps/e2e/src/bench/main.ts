// `npm run bench`: every target in turn, several rounds in one run, so that a noisy machine is noisy for all of them.
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, readProfile, type Keymesh } from '@keymesh/client';
import { connect as connectNats } from '@nats-io/transport-node';
import { enrolReader } from './enrol.js';
import { mergeLoads, percentile, perSecond, runLoad, type LoadResult } from './load.js';
import { cpuMs } from './process-cpu.js';
import { reportPage, type Measured } from './report.js';
import { startServers, type BenchServers } from './servers.js';

const CREDENTIALS = 1_000;
const PRINCIPALS = 100;
const IN_FLIGHT = [1, 16, 100] as const;
const ROUNDS = 3;
const DURATION_MS = 2_000;
const say = (text: string): void => void process.stderr.write(`${text}\n`);

interface Target {
  readonly name: string;
  readonly ask: (worker: number, turn: number) => Promise<void>;
}

const nameOf = (index: number): string => `bench/credential-${index % CREDENTIALS}`;

async function prepare(servers: BenchServers): Promise<{ operator: Keymesh; readers: Keymesh[] }> {
  const profile = await readProfile(servers.home, 'operator');
  const operator = await connect({ profile });
  say(`storing ${CREDENTIALS} credentials`);
  await runBounded(CREDENTIALS, 16, async (index) => {
    await operator.credentials.store({
      name: nameOf(index),
      type: 'api_key',
      generate: {},
      rotation: { adapter: 'generated', intervalSeconds: 0 },
    });
  });
  say(`enrolling ${PRINCIPALS} principals`);
  const readers: Keymesh[] = [];
  for (let index = 0; index < PRINCIPALS; index += 1)
    readers.push(await connect({ profile: await enrolReader(operator, profile, `bench-${index}`) }));
  return { operator, readers };
}

async function runBounded(
  count: number,
  inFlight: number,
  work: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
}

async function makeTargets(
  servers: BenchServers,
  operator: Keymesh,
  readers: readonly Keymesh[],
): Promise<Target[]> {
  const bare = await connectNats({ servers: servers.bareUrl });
  const payload = randomBytes(256);
  const readerOf = (worker: number): Keymesh => readers[worker % readers.length] ?? operator;
  return [
    {
      name: 'bare echo',
      ask: async () => {
        await bare.request('bench.bare', payload, { timeout: 5_000 });
      },
    },
    {
      name: 'Nest echo, one span',
      ask: async () => {
        await bare.request('bench.nest', payload, { timeout: 5_000 });
      },
    },
    {
      name: 'retrieve',
      ask: async (worker, turn) =>
        (await readerOf(worker).credentials.retrieve(nameOf(turn * 7 + worker))).dispose(),
    },
    {
      name: 'store',
      ask: async (worker, turn) => {
        await operator.credentials.store({
          name: `bench/new-${worker}-${turn}-${randomBytes(4).toString('hex')}`,
          type: 'generic',
          value: payload,
        });
      },
    },
    {
      name: 'rotate',
      ask: async (worker, turn) => {
        await operator.credentials.rotate(nameOf(turn * 101 + worker));
      },
    },
  ];
}

async function ledgerLag(httpPort: number): Promise<number> {
  const groups = (await (await fetch(`http://127.0.0.1:${httpPort}/metrics/targets`)).json()) as {
    targets: string[];
    labels: Record<string, string>;
  }[];
  const audit = groups.find(({ labels }) => labels.service === 'audit')?.targets[0];
  const page = audit === undefined ? '' : await (await fetch(`http://${audit}/metrics`)).text();
  return Number(/^keymesh_ledger_lag_records(?:\{[^}]*\})? (\S+)$/m.exec(page)?.[1] ?? NaN);
}

async function main(): Promise<void> {
  const servers = await startServers(process.env.NATS_SERVER ?? 'nats-server');
  try {
    const { operator, readers } = await prepare(servers);
    const targets = await makeTargets(servers, operator, readers);
    const runs = new Map<string, { load: LoadResult[]; cpu: Record<string, number> }>();
    let worstLag = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const inFlight of IN_FLIGHT) {
        for (const target of targets) {
          const pids = await servers.pids();
          const before = Object.fromEntries(Object.entries(pids).map(([name, ids]) => [name, cpuMs(ids)]));
          const load = await runLoad(target.ask, inFlight, DURATION_MS);
          const key = `${target.name}\n${inFlight}`;
          const run = runs.get(key) ?? { load: [], cpu: {} };
          run.load.push(load);
          for (const [name, ids] of Object.entries(pids))
            run.cpu[name] = (run.cpu[name] ?? 0) + cpuMs(ids) - (before[name] ?? 0);
          runs.set(key, run);
          if (target.name === 'retrieve') worstLag = Math.max(worstLag, await ledgerLag(servers.httpPort));
          say(
            `round ${round + 1}, ${target.name}, ${inFlight} in flight: ${perSecond(load).toFixed(0)}/s, p99 ${percentile(load, 0.99).toFixed(1)} ms, ${load.failures} failures`,
          );
        }
      }
    }
    const measured: Measured[] = [...runs].map(([key, { load, cpu }]) => {
      const [target = '', inFlight = ''] = key.split('\n');
      return { target, inFlight: Number(inFlight), load: mergeLoads(load), cpu };
    });
    const drainStart = performance.now();
    while ((await ledgerLag(servers.httpPort)) > 0 && performance.now() - drainStart < 60_000)
      await new Promise((resolve) => setTimeout(resolve, 100));
    const facts = {
      configuration: `that of \`npm start\`: JetStream \`sync_interval: always\`, embedded Postgres, 1 % of traces sampled`,
      data: `${CREDENTIALS} credentials, ${PRINCIPALS} principals; ${ROUNDS} rounds of ${DURATION_MS / 1000} s each`,
      retrieve: 'through the end-to-end channel, journal record fsynced before the value leaves',
      'ledger backlog': `at most ${worstLag} records after a retrieve run; drained ${((performance.now() - drainStart) / 1000).toFixed(1)} s after the last run`,
    };
    await writeFile(join(import.meta.dirname, '../../../../docs/benchmarks.md'), reportPage(measured, facts));
    for (const client of [operator, ...readers]) await client.close();
  } finally {
    await servers.stop();
  }
}

await main();
process.exit(0);
