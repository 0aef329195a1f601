import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { makeSigningKey } from '@keymesh/kernel';
import type { PolicyRequest } from '@keymesh/contracts';
import { bundleOf, granted, makeTestClock, makeTestMesh, say } from '../test/fixtures.js';
import type { Directory } from './directory.js';
import { foldStatements } from './fold-statements.js';
import { makePolicyEngine, type PolicyEngine } from './engine.js';
import { policyPrincipal } from './policy-principal.js';

const PRINCIPALS = 1_000;
const POLICIES = 500;
const mesh = makeTestMesh();

/** As operators write them: most about one team or namespace, some about single principals, some that forbid, one that reads the time. */
function policyText(n: number): string {
  const team = `principal has team && principal.team == "team-${String(n % 50)}"`;
  const namespace = `resource has namespace && resource.namespace == "ns-${String(n)}"`;
  if (n === 0)
    return 'forbid(principal, action == Keymesh::Action::"delete", resource) when { context has time && context.time < 0 };';
  if (n % 10 === 1)
    return `forbid(principal, action in [Keymesh::Action::"retrieve", Keymesh::Action::"lease.issue"], resource is Keymesh::Credential) when { resource has sensitivity && resource.sensitivity == "s${String(n)}" };`;
  if (n % 10 === 2)
    return `permit(principal == Keymesh::Principal::"p${String(n)}", action == Keymesh::Action::"retrieve", resource is Keymesh::Credential) when { ${namespace} };`;
  return `permit(principal, action in [Keymesh::Action::"retrieve", Keymesh::Action::"describe"], resource is Keymesh::Credential) when { ${team} && ${namespace} };`;
}

function directoryWith(policies: number): Directory {
  const people = Array.from({ length: PRINCIPALS }, (_, n) =>
    granted(`p${String(n)}`, [n % 2 === 0 ? 'reader' : 'writer'], makeSigningKey().key, mesh.operatorKey),
  );
  const written = Array.from({ length: policies }, (_, n) =>
    say(
      'policy.set',
      {
        policyId: `p${String(n)}`,
        cedar: policyText(n),
        twoPerson: false,
        basedOn: null,
        statementId: randomUUID(),
      },
      mesh.operatorKey,
    ),
  );
  return foldStatements(mesh.trustRoot, [...mesh.genesis, ...people, ...written], { clock: makeTestClock() });
}

const requestOf = (directory: Directory, n: number): PolicyRequest => ({
  principal: policyPrincipal(directory.find(`p${String(n % PRINCIPALS)}`)!),
  action: 'retrieve',
  resource: {
    kind: 'credential',
    id: `c${String(n)}`,
    attributes: { namespace: `ns-${String(n)}`, type: 'api_key', owner: 'x', tags: ['a'], isActive: true },
  },
  context: { service: 'vault', channel: 'encrypted', time: 1_800_000_000 + n },
});

/** Median of the CPU time of single decisions, milliseconds. */
function medianMs(engine: PolicyEngine, requests: readonly PolicyRequest[]): number {
  const times = requests.map((request) => {
    const before = process.cpuUsage();
    engine.decide(request);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000;
  });
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
}

/** CPU time of decisions that are all in memory, microseconds each. */
function cachedUs(engine: PolicyEngine, requests: readonly PolicyRequest[]): number {
  const rounds = 100;
  for (const request of requests) engine.decide(request);
  const before = process.cpuUsage();
  for (let round = 0; round < rounds; round += 1) for (const request of requests) engine.decide(request);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / rounds / requests.length;
}

describe('a thousand principals and five hundred policies', () => {
  it('slow no decision from memory, and leave the others quick', () => {
    const [plain, full] = [directoryWith(0), directoryWith(POLICIES)];
    const engineOf = (directory: Directory) => makePolicyEngine(bundleOf([]), directory);
    const [few, many] = [engineOf(plain), engineOf(full)];
    expect(many.policies.length - few.policies.length).toBe(POLICIES);
    many.decide(requestOf(full, 0)); // prepares the policies that can have a say on it
    const uncachedMs = medianMs(
      many,
      Array.from({ length: 60 }, (_, n) => requestOf(full, n + 1)),
    );
    const asked = Array.from({ length: 200 }, (_, n) => requestOf(full, n));
    const [fewUs, manyUs] = [cachedUs(few, asked), cachedUs(many, asked)];
    expect(many.stats().hits).toBeGreaterThan(20_000);
    console.info(
      `decisions: uncached ${uncachedMs.toFixed(2)} ms; from memory ${manyUs.toFixed(1)} µs, with the built-in policies alone ${fewUs.toFixed(1)} µs`,
    );
    // Bounds are generous: the bench measures. A set that is not cached any more is a hundred times slower.
    expect(uncachedMs).toBeLessThan(20);
    expect(manyUs / fewUs).toBeLessThan(5);
  }, 120_000);
});
