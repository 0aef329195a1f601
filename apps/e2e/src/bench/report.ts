import { cpus, totalmem } from 'node:os';
import type { AccessFacts } from './access.js';
import type { LargeFleet } from './large-fleet.js';
import { failuresText, mergeLoads, percentile, perSecond, type LoadResult } from './load.js';
import { accessSections } from './report-access.js';
import { number, table, times, type Row } from './report-table.js';
import { cpuPerOperation, median, type Measured } from './rounds.js';
import { BARE_ECHO, NEST_ECHO, RETRIEVE } from './targets.js';

export interface Report {
  readonly measured: readonly Measured[];
  readonly memory: readonly { readonly name: string; readonly residentMiB: number }[];
  readonly largeFleet: LargeFleet | undefined;
  readonly access: AccessFacts;
  readonly facts: Readonly<Record<string, string>>;
}

/** The page docs/benchmarks.md. */
export function reportPage({ measured, memory, largeFleet, access, facts }: Report): string {
  const sections = [
    introduction(facts),
    `## What a retrieve costs the vault\n\nCPU time of the vault's process for an operation, against that of the Nest echo's process; medians of the rounds. Aim: at most 2.5× at 16 and 100.\n\n${table(['in flight', 'vault, µs', 'Nest echo, µs', 'ratio', 'ratios of the rounds'], cpuRatios(measured))}`,
    `## Throughput and latency\n\n${table(['target', 'in flight', 'operations/s', 'p50 ms', 'p99 ms', 'to bare echo', 'to Nest echo', 'failures'], throughput(measured))}`,
    `## CPU microseconds per operation, by process\n\nThe client is the load generator of all targets.\n\n${cpuTable(measured)}`,
    `## Resident memory after these runs, MiB\n\n${table(
      memory.map(({ name }) => name),
      [memory.map(({ residentMiB }) => number(residentMiB))],
    )}`,
    ...accessSections(access, measured),
    ...(largeFleet === undefined ? [] : [largeFleetSection(largeFleet, measured)]),
  ];
  return `${sections.join('\n\n')}\n`;
}

function introduction(facts: Report['facts']): string {
  const list = Object.entries(facts).map(([key, value]) => `- ${key}: ${value}`);
  return `# Benchmarks

Written by \`npm run bench\` on ${new Date().toISOString().slice(0, 10)}; ${String(cpus().length)} × ${cpus()[0]?.model ?? 'unknown CPU'}, ${number(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}. Load generator,
servers and services share the machine, so read ratios as ratios and times as orders of magnitude. Every target is run in turn, several times, in one run.

${list.join('\n')}`;
}

/** A row for each number in flight: vault and Nest echo in CPU microseconds, and the ratio of the same round. */
export function cpuRatios(measured: readonly Measured[]): readonly Row[] {
  return measured
    .filter(({ target }) => target === RETRIEVE)
    .flatMap((retrieve) => {
      const echo = find(measured, NEST_ECHO, retrieve.inFlight);
      if (echo === undefined) return [];
      const vaultCpu = cpuPerOperation(retrieve, 'vault');
      const echoCpu = cpuPerOperation(echo, 'nest echo');
      const ratios = vaultCpu.map((cpu, round) => cpu / (echoCpu[round] ?? NaN));
      const row = [number(median(vaultCpu)), number(median(echoCpu), 1), times(median(ratios))];
      return [[String(retrieve.inFlight), ...row, ratios.map((ratio) => number(ratio, 1)).join(', ')]];
    });
}

const find = (measured: readonly Measured[], name: string, inFlight: number): Measured | undefined =>
  measured.find((one) => one.target === name && one.inFlight === inFlight);
const loadOf = ({ rounds }: Measured): LoadResult => mergeLoads(rounds.map(({ load }) => load));

function throughput(measured: readonly Measured[]): readonly Row[] {
  return measured.map((one) => {
    const load = loadOf(one);
    const against = (name: string): string => {
      const base = find(measured, name, one.inFlight);
      return base === undefined ? '–' : times(perSecond(load) / perSecond(loadOf(base)));
    };
    return [
      ...[one.target, String(one.inFlight), number(perSecond(load))],
      ...[number(percentile(load, 0.5), 2), number(percentile(load, 0.99), 2)],
      ...[against(BARE_ECHO), against(NEST_ECHO), failuresText(load)],
    ];
  });
}

function cpuTable(measured: readonly Measured[]): string {
  const processes = [
    ...new Set(measured.flatMap(({ rounds }) => rounds.flatMap(({ cpu }) => Object.keys(cpu)))),
  ];
  const rows = measured.map((one) => [
    ...[one.target, String(one.inFlight)],
    ...processes.map((name) => number(median(cpuPerOperation(one, name)))),
  ]);
  return table(['target', 'in flight', ...processes], rows);
}

function largeFleetSection(large: LargeFleet, measured: readonly Measured[]): string {
  const { few, first, many, list } = large;
  const size = `${number(large.credentials)} credentials of ${String(large.versions)} versions`;
  const row = (what: string, a: number, b: number, digits: number): Row => [
    ...[what, number(a, digits), number(b, digits), times(b / a)],
  ];
  const rows = [
    row('retrieve p99, ms', few.retrieveP99Ms, many.retrieveP99Ms, 2),
    row('Nest echo p99, ms (the unrest of the machine)', few.echoP99Ms, many.echoP99Ms, 2),
    row('retrieve, vault CPU µs', few.vaultCpu, many.vaultCpu, 0),
    row(
      'the first retrieve of each, vault CPU µs, to few that were read before',
      few.vaultCpu,
      first.vaultCpu,
      0,
    ),
    row('vault resident, MiB', few.vaultMiB, many.vaultMiB, 0),
  ];
  const bare = find(measured, BARE_ECHO, 1);
  const echoes = bare === undefined ? NaN : perSecond(loadOf(bare));
  const rates = large.rates.map(({ what, rows: count, seconds, peakMiB = NaN }) => [
    ...[what, number(count), number(seconds, 1), number(count / seconds), times(count / seconds / echoes)],
    number(peakMiB),
  ]);
  const listed =
    list === undefined || bare === undefined
      ? ''
      : `\n\nA list of all, in pages of 1,000, takes ${number(percentile(loadOf(list), 0.5))} ms, ${number(perSecond(loadOf(bare)) / perSecond(loadOf(list)))} bare echoes. `;
  return `## A large fleet\n\nThe same runs, 16 in flight, with few credentials and with ${size}, each read before. The aim for the p99 is at most 1.30×.\n\n${table(['', 'few', 'many', 'ratio'], rows)}${listed}Storing them took ${number(large.storeSeconds)} s, ${number((large.credentials * large.versions) / large.storeSeconds)} versions a second in batches.\n\n${table(['', 'rows', 'seconds', 'rows/s', 'to bare echo', 'peak, MiB'], rates)}`;
}
