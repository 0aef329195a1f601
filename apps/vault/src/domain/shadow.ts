import type { Action, PolicyRequest } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import {
  culpritsOf,
  differsInEffect,
  isByPolicies,
  makeDecider,
  parsePolicies,
  type Decider,
  type Decision,
  type ShadowSet,
  type Verdict,
} from '@keymesh/policy-engine';

/** What a shadow would have decided otherwise, by what sums are kept of. */
export interface ShadowDifference {
  readonly principal: string;
  readonly action: Action;
  readonly resourceKind: PolicyRequest['resource']['kind'];
  readonly from: Verdict['effect'];
  readonly to: Verdict['effect'];
  /** Ids of the policies that make the difference. */
  readonly because: readonly string[];
}
export type SummedDifference = ShadowDifference & {
  readonly count: number;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
};

/** Sums of one shadow. */
export interface ShadowSums {
  readonly shadowId: string;
  readonly evaluated: number;
  readonly different: number;
  readonly skipped: number;
  readonly differences: readonly SummedDifference[];
}

export type ShadowOutcome = 'same' | 'different' | 'skipped';

export interface ShadowOptions {
  /** What is in the shadow now. */
  readonly shadow: () => ShadowSet | undefined;
  readonly clock: Clock;
  readonly onEvaluated?: (outcome: ShadowOutcome) => void;
  /** Decisions that wait (default 2,000); those beyond are skipped. */
  readonly queueLength?: number;
}

/** Evaluates the shadow beside what decides. INVARIANT: nothing here delays, changes or fails a decision. */
export interface ShadowEvaluation {
  /** Remembers a decision for later. Never throws, and takes the same short time always. */
  note(request: PolicyRequest, decision: Decision): void;
  /** Makes decisions again for at most so long. Never throws. */
  work(budgetMs: number): void;
  /** The sums since the last time; undefined: there are none. */
  take(): ShadowSums | undefined;
  /** Puts back what could not be kept. */
  giveBack(sums: ShadowSums): void;
}

/** Different sums in memory; differences beyond are counted in one of nobody. */
const MAX_SUMS = 2_000;
const NOBODY = '*';
const CACHE_ENTRIES = 20_000;

export function makeShadowEvaluation(options: ShadowOptions): ShadowEvaluation {
  const { shadow, clock, onEvaluated = () => undefined, queueLength = 2_000 } = options;
  const queue: { readonly request: PolicyRequest; readonly decision: Decision }[] = [];
  let decider: { readonly shadowId: string; readonly decide: Decider['decide'] } | undefined;
  let sums: ReturnType<typeof makeSums> | undefined;

  const deciderNow = (now: ShadowSet) => {
    if (decider?.shadowId !== now.shadowId) decider = { shadowId: now.shadowId, decide: deciderOf(now) };
    return decider;
  };
  const sumsOf = (shadowId: string) => (sums = sums?.shadowId === shadowId ? sums : makeSums(shadowId));
  return {
    note(request, decision) {
      const now = shadow();
      if (now === undefined || !isByPolicies(decision)) return;
      if (queue.length < queueLength) {
        queue.push({ request, decision });
        return;
      }
      sumsOf(now.shadowId).skip();
      onEvaluated('skipped');
    },
    work(budgetMs) {
      const endsAt = clock.monotonic() + budgetMs;
      while (queue.length > 0 && clock.monotonic() < endsAt) {
        const { request, decision } = queue.shift() ?? {};
        const now = shadow();
        if (request === undefined || decision === undefined || now === undefined) continue;
        const verdict = deciderNow(now).decide(request);
        const different = differsInEffect(decision, verdict);
        sumsOf(now.shadowId).add(
          different ? differenceOf(request, decision, verdict) : undefined,
          clock.now(),
        );
        onEvaluated(different ? 'different' : 'same');
      }
    },
    take() {
      const taken = sums?.taken();
      sums = undefined;
      return taken;
    },
    giveBack(back) {
      if (sums === undefined || sums.shadowId === back.shadowId) sumsOf(back.shadowId).join(back);
    },
  };
}

// Checked when they were put there; a release that cannot read them counts each decision as one that errs.
function deciderOf({ policies }: ShadowSet): Decider['decide'] {
  try {
    const decider = makeDecider(parsePolicies(policies), CACHE_ENTRIES);
    return (request) => decider.decide(request);
  } catch {
    return () => ({ effect: 'forbid', determiningPolicies: [], errors: ['policies: do not parse together'] });
  }
}

const differenceOf = (
  { principal, action, resource }: PolicyRequest,
  decision: Decision,
  verdict: Verdict,
): ShadowDifference => ({
  ...{ principal: principal.name, action, resourceKind: resource.kind },
  ...{ from: decision.effect, to: verdict.effect, because: culpritsOf(decision, verdict) },
});

function makeSums(shadowId: string) {
  const differences = new Map<string, SummedDifference>();
  const counts = { evaluated: 0, different: 0, skipped: 0 };
  const count = (difference: SummedDifference): void => {
    const own = keyOf(difference);
    const isRoom = differences.has(own) || differences.size < MAX_SUMS;
    const summed = isRoom ? difference : { ...difference, principal: NOBODY, because: [] };
    const key = isRoom ? own : keyOf(summed);
    const known = differences.get(key);
    differences.set(key, known === undefined ? summed : joined(known, summed));
  };
  return {
    shadowId,
    skip: (): void => void (counts.skipped += 1),
    add(difference: ShadowDifference | undefined, nowMs: number): void {
      counts.evaluated += 1;
      if (difference === undefined) return;
      counts.different += 1;
      count({ ...difference, count: 1, firstAtMs: nowMs, lastAtMs: nowMs });
    },
    join(sums: ShadowSums): void {
      counts.evaluated += sums.evaluated;
      counts.different += sums.different;
      counts.skipped += sums.skipped;
      sums.differences.forEach(count);
    },
    taken: (): ShadowSums => ({ shadowId, ...counts, differences: [...differences.values()] }),
  };
}

const keyOf = ({ principal, action, resourceKind, from, to, because }: ShadowDifference): string =>
  JSON.stringify([principal, action, resourceKind, from, to, because]);

const joined = (a: SummedDifference, b: SummedDifference): SummedDifference => ({
  ...a,
  count: a.count + b.count,
  firstAtMs: Math.min(a.firstAtMs, b.firstAtMs),
  lastAtMs: Math.max(a.lastAtMs, b.lastAtMs),
});
