import type { PolicyRequest } from '@keymesh/contracts';
import { makePolicyEngine, policyPrincipal, type Directory } from '@keymesh/policy-engine';
import { makeDirectory, type DirectorySize } from './directory.js';
import { percentileOf } from './load.js';
import { cpuUsSince } from './process-cpu.js';

/** Decisions of one policy set, in this process: CPU time, so that a busy machine does not show. */
export interface DecisionTimes extends DirectorySize {
  /** Milliseconds of one decision that asks Cedar. */
  readonly uncached: { readonly p50Ms: number; readonly p99Ms: number };
  /** Microseconds of one decision that is in memory. */
  readonly cached: { readonly p50Us: number; readonly p99Us: number };
}

const UNCACHED = 400;
const CACHED = 20_000;
/** How many decisions lie between two looks at the clock: one alone is shorter than the clock is exact. */
const AT_A_TIME = 100;

/** The built-in policies with ten principals, and the same with many of both: a cached decision must not tell them apart. */
export const measureDecisions = (many: DirectorySize): readonly DecisionTimes[] => [
  timesOf({ principals: 10, policies: 0 }),
  timesOf(many),
];

function timesOf(size: DirectorySize): DecisionTimes {
  const directory = makeDirectory(size);
  const bundle = { version: 1, policies: [] };
  const engine = makePolicyEngine(bundle, directory);
  const uncachedEngine = makePolicyEngine(bundle, directory, { cacheEntries: 0 });
  const request = (n: number): PolicyRequest => requestOf(directory, n, size);
  uncachedEngine.decide(request(0)); // prepares the policies that can have a say on it
  const uncached = Array.from({ length: UNCACHED }, (_, n) => {
    const asked = request(n + 1);
    const before = process.cpuUsage();
    uncachedEngine.decide(asked);
    return cpuUsSince(before) / 1_000;
  });
  const asked = Array.from({ length: 200 }, (_, n) => request(n));
  for (const one of asked) engine.decide(one);
  const cached = Array.from({ length: CACHED / AT_A_TIME }, (_, round) => {
    const before = process.cpuUsage();
    for (let n = 0; n < AT_A_TIME; n += 1) engine.decide(asked[(round * AT_A_TIME + n) % asked.length]!);
    return cpuUsSince(before) / AT_A_TIME;
  });
  return {
    ...size,
    uncached: { p50Ms: percentileOf(uncached, 0.5), p99Ms: percentileOf(uncached, 0.99) },
    cached: { p50Us: percentileOf(cached, 0.5), p99Us: percentileOf(cached, 0.99) },
  };
}

const requestOf = (directory: Directory, n: number, { principals }: DirectorySize): PolicyRequest => {
  const entry = directory.find(`p${String(n % principals)}`);
  if (entry === undefined) throw new Error('the benchmark’s own principal is not there');
  return {
    principal: policyPrincipal(entry),
    action: 'retrieve',
    resource: {
      kind: 'credential',
      id: `c${String(n)}`,
      attributes: { namespace: `ns-${String(n)}`, type: 'api_key', owner: 'x', tags: ['a'], isActive: true },
    },
    context: { service: 'vault', channel: 'encrypted', time: 1_800_000_000 + n },
  };
};
