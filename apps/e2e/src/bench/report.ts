import { cpus, totalmem } from 'node:os';
import { percentile, perSecond, type LoadResult } from './load.js';

export interface Measured {
  readonly target: string;
  readonly inFlight: number;
  readonly load: LoadResult;
  /** CPU milliseconds by process over the runs. */
  readonly cpu: Readonly<Record<string, number>>;
}

const number = (value: number, digits = 0): string =>
  Number.isFinite(value)
    ? value.toLocaleString('en', { maximumFractionDigits: digits, minimumFractionDigits: digits })
    : '–';

/** The page docs/benchmarks.md. */
export function reportPage(measured: readonly Measured[], facts: Readonly<Record<string, string>>): string {
  const of = (target: string, inFlight: number): LoadResult | undefined =>
    measured.find((m) => m.target === target && m.inFlight === inFlight)?.load;
  const ratio = (load: LoadResult, base: LoadResult | undefined): string =>
    base === undefined ? '–' : `${number(perSecond(load) / perSecond(base), 2)}×`;
  const rows = measured.map(
    ({ target, inFlight, load }) =>
      `| ${target} | ${inFlight} | ${number(perSecond(load))} | ${number(percentile(load, 0.5), 2)} | ${number(percentile(load, 0.99), 2)} | ${ratio(load, of('bare echo', inFlight))} | ${ratio(load, of('Nest echo, one span', inFlight))} | ${load.failures} |`,
  );
  const processes = [...new Set(measured.flatMap(({ cpu }) => Object.keys(cpu)))];
  const cpuRows = measured.map(
    ({ target, inFlight, load, cpu }) =>
      `| ${target} | ${inFlight} | ${processes.map((name) => number(((cpu[name] ?? 0) * 1000) / load.operations)).join(' | ')} |`,
  );
  return `# Benchmarks

Written by \`npm run bench\` on ${new Date().toISOString().slice(0, 10)}; ${cpus().length} × ${cpus()[0]?.model ?? 'unknown CPU'}, ${number(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}. Load generator,
servers and services share the machine, so read ratios as ratios and times as orders of magnitude. Every target is run in turn, several times, in one run.

${Object.entries(facts)
  .map(([key, value]) => `- ${key}: ${value}`)
  .join('\n')}

| target | in flight | operations/s | p50 ms | p99 ms | to bare echo | to Nest echo | failures |
| --- | --- | --- | --- | --- | --- | --- | --- |
${rows.join('\n')}

CPU microseconds per operation of each process (the client is the load generator of all targets):

| target | in flight | ${processes.join(' | ')} |
| --- | --- | ${processes.map(() => '---').join(' | ')} |
${cpuRows.join('\n')}
`;
}
