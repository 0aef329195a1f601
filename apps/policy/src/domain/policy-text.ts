import { failure, type PolicyRequest, type StatementOf } from '@keymesh/contracts';
import {
  approvalsNeeded,
  BUILT_IN_POLICIES,
  checkPolicy,
  makePolicyEngine,
  policyPrincipal,
  readAnnotations,
  tellProblem,
  type Directory,
  type PolicyProblem,
} from '@keymesh/policy-engine';
import type { Access } from '@keymesh/service-kit';
import { policyResource } from './authorize.js';

/** What a text that a policy is to have is wrong in: against the schema, and against what it says of itself. */
export function problemsOf(policyId: string, cedar: string, twoPerson?: boolean): readonly PolicyProblem[] {
  const problems = checkPolicy({ id: policyId, cedar });
  const said = readAnnotations(cedar);
  const nowhere = { policyId, line: null, column: null };
  if (said?.id !== undefined && said.id !== policyId)
    return [...problems, { ...nowhere, rule: `its text says that its id is ${JSON.stringify(said.id)}` }];
  if (twoPerson !== undefined && said?.twoPerson !== undefined && said.twoPerson !== twoPerson)
    return [...problems, { ...nowhere, rule: 'its text says otherwise about @twoPerson' }];
  return problems;
}

/** @throws POLICY_INVALID naming policy, line, column and rule */
export function checkText(
  change: Pick<StatementOf<'policy.set'>, 'policyId' | 'twoPerson'> & { cedar: string | null },
): void {
  if (change.cedar === null) return;
  const problems = problemsOf(change.policyId, change.cedar, change.twoPerson);
  if (problems.length > 0) throw invalid(problems.map(tellProblem).join('\n'));
}

/**
 * Whoever writes policies can lock everybody out of writing them, for ever. @param next the directory after the change
 * @throws POLICY_INVALID unless somebody could take it back now, asking as it was asked here, with as many approvals as others can give
 */
export function checkWayBack(next: Directory, policyId: string, { request }: Access): void {
  const engine = makePolicyEngine({ version: 1, policies: [...BUILT_IN_POLICIES] }, next, {
    cacheEntries: 0,
  });
  const resource = policyResource({ directory: next }, policyId);
  const ofThisRequest = ['approvals', 'contentHash'];
  const context = Object.fromEntries(
    Object.entries(request.context).filter(([name]) => !ofThisRequest.includes(name)),
  );
  const active = next.list().filter(({ status }) => status === 'active');
  const approvers = active.filter((one) => {
    const asked = { principal: policyPrincipal(one), action: 'approve' as const, resource, context: {} };
    return engine.decide(asked).effect === 'permit';
  });
  const mayUndo = active.filter(mayWrite).some((writer) => {
    const asked: PolicyRequest = {
      ...{ principal: policyPrincipal(writer), action: 'policy.write', resource, context },
    };
    if (engine.decide(asked).effect === 'permit') return true;
    const others = approvers.filter(({ name }) => name !== writer.name);
    return (approvalsNeeded(engine, asked) ?? Infinity) <= others.length;
  });
  if (!mayUndo)
    throw invalid(`${policyId}: after this change nobody could write policies, so nobody could undo it`);
}

/** Who may sign a policy at all, by the rules of the fold. */
const mayWrite = ({ roles }: { readonly roles: readonly string[] }): boolean =>
  roles.includes('operator') || roles.includes('security-admin');

const invalid = (publicMessage: string) =>
  failure('POLICY_INVALID', { publicMessage: `Nothing was changed.\n${publicMessage}` });
