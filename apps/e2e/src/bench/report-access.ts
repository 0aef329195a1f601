import type { AccessFacts } from './access.js';
import { mergeLoads, perSecond } from './load.js';
import { MOST_RATIO } from './hiding.js';
import { PLAIN_RETRIEVE } from './plain-retrieve.js';
import { number, table, times, type Row } from './report-table.js';
import { cpuPerOperation, median, type Measured } from './rounds.js';
import { RETRIEVE } from './targets.js';

/** The sections about identity, policy and channel; none for what was not measured. */
export const accessSections = (access: AccessFacts, measured: readonly Measured[]): readonly string[] => [
  ...section('Decisions', decisions(access)),
  ...section('Policy changes', spread(access)),
  ...section('Connections', connections(access)),
  ...section('The channel', channel(access, measured)),
  ...section('Absent and forbidden', hiding(access)),
];

const section = (title: string, text: string | undefined): readonly string[] =>
  text === undefined ? [] : [`## ${title}\n\n${text}`];

function decisions({ decisions: measured }: AccessFacts): string | undefined {
  if (measured === undefined) return undefined;
  const rows = measured.map(({ principals, policies, uncached, cached }): Row => [
    ...[number(principals), number(policies)],
    ...[number(uncached.p50Ms, 3), number(uncached.p99Ms, 3)],
    ...[number(cached.p50Us, 2), number(cached.p99Us, 2)],
  ]);
  const head = [
    'principals',
    'policies of operators',
    'uncached p50, ms',
    'p99, ms',
    'cached p50, µs',
    'p99, µs',
  ];
  const [few, many] = measured;
  const ratio = few === undefined || many === undefined ? NaN : many.cached.p50Us / few.cached.p50Us;
  return `CPU time in one process. Aims: an uncached decision under 5 ms, a cached one not slower with many. Cached, many to few: ${times(ratio)}\n\n${table(head, rows)}`;
}

function spread({ spread: measured }: AccessFacts): string | undefined {
  if (measured === undefined) return undefined;
  const { changes, vaults, everywhere, reply, givenAfterwards } = measured;
  const row = (what: string, { p50Ms, p99Ms }: { p50Ms: number; p99Ms: number }): Row => [
    ...[what, number(p50Ms), number(p99Ms)],
  ];
  return `${String(changes)} changes of a principal’s roles, ${String(vaults)} instances of the vault beside the other services. Values given after the reply that took the role: ${String(givenAfterwards)}. The aim is a second.\n\n${table(
    ['', 'p50, ms', 'p99, ms'],
    [row('in force at every instance', everywhere), row('the reply, which says so', reply)],
  )}`;
}

function connections({ connections: measured }: AccessFacts): string | undefined {
  if (measured === undefined) return undefined;
  const rows = measured.map(({ atOnce, perSecond: rate, p50Ms, p99Ms, failures }): Row => [
    ...[String(atOnce), number(rate), number(p50Ms, 1), number(p99Ms, 1), failures],
  ]);
  return `Each is asked about at the policy service (auth callout).\n\n${table(['at once', 'connections/s', 'p50 ms', 'p99 ms', 'failures'], rows)}`;
}

function channel({ channel: costs }: AccessFacts, measured: readonly Measured[]): string | undefined {
  const ratios = measured
    .filter(({ target }) => target === PLAIN_RETRIEVE)
    .flatMap((plain): Row[] => {
      const sealed = measured.find(
        ({ target, inFlight }) => target === RETRIEVE && inFlight === plain.inFlight,
      );
      if (sealed === undefined) return [];
      const cpu = (one: Measured) => median(cpuPerOperation(one, 'vault'));
      const rate = (one: Measured) => perSecond(mergeLoads(one.rounds.map(({ load }) => load)));
      return [[String(plain.inFlight), times(cpu(sealed) / cpu(plain)), times(rate(sealed) / rate(plain))]];
    });
  if (costs === undefined && ratios.length === 0) return undefined;
  const alone =
    costs === undefined
      ? ''
      : `Both ends in one process: a session costs ${number(costs.setUpUs)} µs of CPU to open and accept, a request and its reply of 256 bytes ${number(costs.messageUs, 1)} µs.\n\n`;
  const against =
    ratios.length === 0
      ? ''
      : `A retrieve through the channel against one by a principal with the role \`plain-reply\`:\n\n${table(['in flight', 'CPU of the vault', 'operations/s'], ratios)}`;
  return `${alone}${against}`.trimEnd();
}

function hiding({ hiding: measured }: AccessFacts): string | undefined {
  if (measured === undefined) return undefined;
  const { pairs, absentMs, forbiddenMs, differenceMs, unrestMs, ratio } = measured;
  return `${number(pairs)} pairs of questions one right after the other, in either order: a credential that the asker may not know of, and one that there is not. The run fails at a ratio of ${String(MOST_RATIO)}.\n\n${table(
    ['absent, median ms', 'forbidden, median ms', 'median difference, ms', 'its median unrest, ms', 'ratio'],
    [
      [
        number(absentMs, 3),
        number(forbiddenMs, 3),
        number(differenceMs, 4),
        number(unrestMs, 4),
        number(ratio, 3),
      ],
    ],
  )}`;
}
