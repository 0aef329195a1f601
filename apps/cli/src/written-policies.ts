import {
  confirmPolicy,
  describePolicy,
  failure,
  listPolicies,
  setPolicy,
  type PolicyInForce,
  type ReplyOf,
} from '@keymesh/contracts';
import { KeymeshError } from '@keymesh/kernel';
import type { Session } from './command.js';
import { makeStatement } from './make-statement.js';

export type DescribedPolicy = ReplyOf<typeof describePolicy>;
export type PolicyChange = ReplyOf<typeof setPolicy>;

/** @returns what there is of a policy; undefined when nobody ever wrote one of this id. */
export async function findPolicy(session: Session, policyId: string): Promise<DescribedPolicy | undefined> {
  const keymesh = await session.keymesh();
  return keymesh.call(describePolicy, { policyId }).catch((error: unknown) => {
    if (KeymeshError.is(error) && error.code === 'POLICY_NOT_FOUND') return undefined;
    throw error;
  });
}

/** @throws POLICY_NOT_FOUND */
export async function requirePolicy(session: Session, policyId: string): Promise<DescribedPolicy> {
  const found = await findPolicy(session, policyId);
  if (found === undefined) throw failure('POLICY_NOT_FOUND');
  return found;
}

/** Every policy in force, page by page. */
export async function allPolicies(session: Session): Promise<readonly PolicyInForce[]> {
  const keymesh = await session.keymesh();
  const policies: PolicyInForce[] = [];
  let after: string | null | undefined;
  while (after !== null) {
    const page: ReplyOf<typeof listPolicies> = await keymesh.call(
      listPolicies,
      after === undefined ? {} : { after },
    );
    policies.push(...page.policies);
    after = page.next;
  }
  return policies;
}

/** Writes a policy, or with `cedar` null removes it, signed by the profile's own key. @param basedOn what was looked at */
export async function writePolicy(
  session: Session,
  {
    policyId,
    cedar,
    twoPerson,
    basedOn,
  }: Pick<PolicyInForce, 'policyId' | 'twoPerson'> & {
    readonly cedar: string | null;
    readonly basedOn: string | null;
  },
): Promise<PolicyChange> {
  const statement = makeStatement(await session.profile(), {
    type: 'policy.set',
    policyId,
    cedar,
    twoPerson,
    basedOn,
  });
  return (await session.keymesh()).call(setPolicy, { statement });
}

/** Agrees to a change that waits, signed by the profile's own key. */
export async function agreeTo(session: Session, policyId: string, change: string): Promise<PolicyChange> {
  const statement = makeStatement(await session.profile(), {
    type: 'policy.confirmed',
    policyId,
    change,
  });
  return (await session.keymesh()).call(confirmPolicy, { statement });
}
