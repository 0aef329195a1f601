import type { Statement, StatementOf } from '@keymesh/contracts';
import type { Directory } from './directory.js';

/** One writing, change or removal of a policy. */
export interface PolicyVersion {
  /** The `policy.set`. */
  readonly statementId: string;
  /** Null: it removes the policy. */
  readonly cedar: string | null;
  readonly twoPerson: boolean;
  readonly setBy: string;
  readonly setAt: string;
  /** Who agreed; null where nobody had to, or nobody has. */
  readonly confirmedBy: string | null;
  /** `waited`: nobody agreed before another change came. */
  readonly state: 'in-force' | 'replaced' | 'waiting' | 'waited';
}

/** What became of every change of a policy, in order: from the statements, as the fold took them. */
export function policyVersions(
  directory: Pick<Directory, 'historyOf' | 'policies' | 'pendingPolicies'>,
  policyId: string,
): readonly PolicyVersion[] {
  const said = directory.historyOf(`policy:${policyId}`);
  const confirmed = new Map(said.filter(isConfirmation).map((one) => [one.change, one.issuer]));
  const inForce = directory.policies.find((policy) => policy.policyId === policyId)?.statementId;
  const waiting = directory.pendingPolicies.find((policy) => policy.policyId === policyId)?.statementId;
  let isMarked = false;
  return said.filter(isSetting).map(({ statementId, cedar, twoPerson, issuer: setBy, issuedAt: setAt }) => {
    const needsTwo = twoPerson || isMarked;
    const confirmedBy = confirmed.get(statementId) ?? null;
    const applied = !needsTwo || confirmedBy !== null;
    if (applied) isMarked = cedar !== null && twoPerson;
    const state = statementId === inForce ? 'in-force' : applied ? 'replaced' : 'waited';
    return {
      ...{ statementId, cedar, twoPerson, setBy, setAt, confirmedBy },
      state: statementId === waiting ? ('waiting' as const) : state,
    };
  });
}

const isSetting = (said: Statement): said is StatementOf<'policy.set'> => said.type === 'policy.set';
const isConfirmation = (said: Statement): said is StatementOf<'policy.confirmed'> =>
  said.type === 'policy.confirmed';
