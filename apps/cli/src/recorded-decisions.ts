import type { Keymesh } from '@keymesh/client';
import {
  describePolicySet,
  listDecisions,
  listPolicySets,
  type EffectivePolicy,
  type ReplyOf,
} from '@keymesh/contracts';
import { makeReplayDecider, parsePolicies, type Decider, type DecisionGroup } from '@keymesh/policy-engine';

type Part = ReplyOf<typeof listDecisions>;

/** Decisions that a person or a page of the log asks for, as far as it is read. */
export interface DecisionPart {
  readonly groups: readonly DecisionGroup[];
  /** Records whose decision cannot be read. */
  readonly unreadable: number;
  /** How far the log is read, and how far it will be. */
  readonly readIndex: number;
  readonly untilIndex: number;
}

/** Recorded decisions since a time up to now, a part of the log in memory at a time. @throws DENIED */
export async function* recordedDecisions(keymesh: Keymesh, since: string): AsyncGenerator<DecisionPart> {
  let next: { fromIndex?: number; untilIndex?: number } = {};
  for (;;) {
    const part: Part = await keymesh.call(listDecisions, { since, ...next });
    const { groups, unreadable, nextIndex, untilIndex } = part;
    yield { groups, unreadable, readIndex: nextIndex ?? untilIndex, untilIndex };
    if (nextIndex === null) return;
    next = { fromIndex: nextIndex, untilIndex };
  }
}

/** All policies of a bundle version; absent: of the one in force. @throws DENIED, POLICY_NOT_FOUND */
export async function policySetOfVersion(
  keymesh: Keymesh,
  bundleVersion?: number,
): Promise<readonly EffectivePolicy[]> {
  const policies: EffectivePolicy[] = [];
  let version = bundleVersion;
  for (let skip: number | null = 0; skip !== null;) {
    const page: ReplyOf<typeof describePolicySet> = await keymesh.call(describePolicySet, {
      ...(version === undefined ? {} : { bundleVersion: version }),
      skip,
    });
    policies.push(...page.policies);
    // The same version for all pages, whatever is changed meanwhile.
    [version, skip] = [page.bundleVersion, page.nextSkip];
  }
  return policies;
}

const DECIDERS_KEPT = 16;

/**
 * What decided under which bundle version. Versions of equal policies share one decider, and few are kept: a log is read in order.
 * @returns undefined for a version whose policies are not known. @throws DENIED
 */
export async function makeDecidersOfVersions(
  keymesh: Keymesh,
): Promise<(bundleVersion: number) => Promise<Decider | undefined>> {
  const ranges = await policySetRanges(keymesh);
  const deciders = new Map<string, Decider>();
  return async (bundleVersion) => {
    const range = ranges.find(
      ({ firstVersion, lastVersion }) => firstVersion <= bundleVersion && bundleVersion <= lastVersion,
    );
    if (range === undefined) return undefined;
    const known = deciders.get(range.digest);
    const decider = known ?? deciderOf(await policySetOfVersion(keymesh, bundleVersion));
    deciders.delete(range.digest);
    deciders.set(range.digest, decider); // last in order: used last
    for (const digest of [...deciders.keys()].slice(0, -DECIDERS_KEPT)) deciders.delete(digest);
    return decider;
  };
}

/** Policies as a function that remembers. @throws POLICY_UNAVAILABLE when one does not parse */
export const deciderOf = (policies: readonly { readonly id: string; readonly cedar: string }[]): Decider =>
  makeReplayDecider(parsePolicies(policies));

async function policySetRanges(keymesh: Keymesh): Promise<ReplyOf<typeof listPolicySets>['sets']> {
  const ranges: ReplyOf<typeof listPolicySets>['sets'] = [];
  for (let fromVersion: number | null = 1; fromVersion !== null;) {
    const page: ReplyOf<typeof listPolicySets> = await keymesh.call(listPolicySets, { fromVersion });
    ranges.push(...page.sets);
    fromVersion = page.nextVersion;
  }
  return ranges;
}
