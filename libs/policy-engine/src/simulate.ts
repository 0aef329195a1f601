import type { PolicyRequest } from '@keymesh/contracts';
import { NOT_EXPRESSIBLE } from './cedar.js';
import { makeDecider, type Decider, type Verdict } from './decider.js';
import type { ParsedPolicy } from './policy-set.js';

/** A decision as an audit record holds it. */
export interface RecordedDecision extends Verdict {
  readonly bundleVersion: number;
  readonly request: PolicyRequest;
}

/** Decisions that were recorded alike. */
export interface DecisionGroup {
  readonly decision: RecordedDecision;
  /** Name of the resource, where the reader may see it. */
  readonly name: string | null;
  readonly count: number;
  /** ISO 8601. */
  readonly firstAt: string;
  readonly lastAt: string;
}

/** Recorded decisions that would come out otherwise, by who asked for what and of what. */
export interface ChangedDecision {
  readonly principal: string;
  readonly action: PolicyRequest['action'];
  readonly resource: Pick<PolicyRequest['resource'], 'kind' | 'id'> & { readonly name: string | null };
  readonly from: Verdict['effect'];
  readonly to: Verdict['effect'];
  /** Ids of the policies that make the difference, by saying something or by saying it no more. Sorted. */
  readonly because: readonly string[];
  readonly count: number;
  readonly firstAt: string;
  readonly lastAt: string;
}

export interface SimulationResult {
  readonly replayed: number;
  /** Decisions of bundle versions whose policies are not known. */
  readonly unknown: number;
  /** By principal, resource, action. */
  readonly changed: readonly ChangedDecision[];
}

/** Takes decisions in any order. Memory grows with what changed, not with what was replayed. */
export interface Simulation {
  add(group: DecisionGroup): void;
  result(): SimulationResult;
}

export interface SimulationOptions {
  /** The policies that a decision is made by again; undefined: not known. */
  readonly deciderOf: (decision: RecordedDecision) => Decider | undefined;
  /** `exactly`: effect, determining policies and errors must agree; else the effect alone counts. */
  readonly compare: 'exactly' | 'effect';
}

const CACHE_ENTRIES = 20_000;

/**
 * Policies for deciding again: what depends on approvals, risk or time is kept as well, because recorded values come again, and the key of a
 * decision holds each of them. INVARIANT: the key does not hold a context that is read as a whole.
 */
export const makeReplayDecider = (policies: readonly ParsedPolicy[]): Decider =>
  makeDecider(policies, CACHE_ENTRIES, ({ context }) => !context.whole);

/** Decides again what was decided before. Pure. */
export function makeSimulation({ deciderOf, compare }: SimulationOptions): Simulation {
  const changed = new Map<string, ChangedDecision>();
  let [replayed, unknown] = [0, 0];
  const differs = compare === 'exactly' ? differsAtAll : differsInEffect;
  return {
    add(group) {
      const { decision, count } = group;
      const verdict = replay(decision, deciderOf);
      if (verdict === undefined) {
        unknown += count;
        return;
      }
      replayed += count;
      if (!differs(decision, verdict)) return;
      const change = changeOf(group, verdict);
      const key = keyOf(change);
      const known = changed.get(key);
      changed.set(key, known === undefined ? change : joined(known, change));
    },
    result: () => ({
      replayed,
      unknown,
      changed: [...changed].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, change]) => change),
    }),
  };
}

/**
 * Whether policies made a decision. Where the directory, a kill switch or the age of the bundle did, before any policy was asked, its word
 * of then is taken: other policies would have been asked as little.
 */
export const isByPolicies = ({ errors }: Pick<Verdict, 'errors'>): boolean =>
  errors.every(
    (error) =>
      error === NOT_EXPRESSIBLE || error.startsWith('policies: ') || error.endsWith(': evaluation failed'),
  );

function replay(decision: RecordedDecision, deciderOf: SimulationOptions['deciderOf']): Verdict | undefined {
  if (!isByPolicies(decision)) return decision;
  return deciderOf(decision)?.decide(decision.request);
}

/** Whether a decision would have another effect. */
export const differsInEffect = (before: Verdict, now: Verdict): boolean => before.effect !== now.effect;

const differsAtAll = (before: Verdict, now: Verdict): boolean =>
  differsInEffect(before, now) ||
  !sameTexts(before.determiningPolicies, now.determiningPolicies) ||
  !sameTexts(before.errors, now.errors);

const sameTexts = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((text, index) => text === b[index]);

function changeOf({ decision, name, count, firstAt, lastAt }: DecisionGroup, now: Verdict): ChangedDecision {
  const { principal, action, resource } = decision.request;
  return {
    principal: principal.name,
    action,
    resource: { kind: resource.kind, id: resource.id, name },
    from: decision.effect,
    to: now.effect,
    because: culpritsOf(decision, now),
    count,
    firstAt,
    lastAt,
  };
}

/** Ids of the policies by which two verdicts on one request differ. Sorted. */
export function culpritsOf(before: Verdict, now: Verdict): readonly string[] {
  if (before.effect === now.effect) {
    const [a, b] = [wordsOf(before), wordsOf(now)];
    return [...a.filter((id) => !b.includes(id)), ...b.filter((id) => !a.includes(id))].sort();
  }
  // What denies says so by policies or not at all; then what permitted permits no more, or does only now.
  const [denying, permitting] = now.effect === 'forbid' ? [now, before] : [before, now];
  const denials = denying.errors.length > 0 ? denying.errors.map(policyOf) : denying.determiningPolicies;
  return [...new Set(denials.length > 0 ? denials : permitting.determiningPolicies)].sort();
}

const wordsOf = ({ determiningPolicies, errors }: Verdict): readonly string[] => [
  ...determiningPolicies,
  ...errors.map(policyOf),
];
const policyOf = (error: string): string => error.slice(0, error.lastIndexOf(': '));

const keyOf = ({ principal, action, resource, from, to, because }: ChangedDecision): string =>
  JSON.stringify([principal, resource.kind, resource.id, action, from, to, because]);

const joined = (a: ChangedDecision, b: ChangedDecision): ChangedDecision => ({
  ...a,
  resource: { ...a.resource, name: b.resource.name ?? a.resource.name },
  count: a.count + b.count,
  firstAt: a.firstAt < b.firstAt ? a.firstAt : b.firstAt,
  lastAt: a.lastAt > b.lastAt ? a.lastAt : b.lastAt,
});
