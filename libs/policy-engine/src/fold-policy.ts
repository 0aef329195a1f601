import type { StatementOf } from '@keymesh/contracts';
import type { FoldState, PendingPolicy } from './fold-state.js';
import { rejected } from './statements.js';

/** Policies of one mesh: so that a bundle stays small enough to carry and to decide by. */
const MAX_POLICIES = 1_000;

/**
 * Writes, changes or removes a policy. A policy that takes two persons, before or after, waits for the second.
 * Whether its text is valid Cedar is for whoever accepts the statement: what is valid may grow, the fold may not change.
 * @throws STATEMENT_REJECTED
 */
export function setPolicy(state: FoldState, statement: StatementOf<'policy.set'>): void {
  const { policyId, cedar, twoPerson, basedOn, statementId, issuer: setBy, issuedAt: setAt } = statement;
  const now = state.policies.get(policyId);
  checkBase(state, policyId, basedOn);
  if (cedar === null && now === undefined) throw rejected('there is no such policy to remove');
  if (cedar !== null && now === undefined && state.policies.size >= MAX_POLICIES)
    throw rejected(`a mesh has ${String(MAX_POLICIES)} policies at most`);
  const change = { policyId, cedar, twoPerson, statementId, setBy, setAt, basedOn };
  // INVARIANT: one person neither changes such a policy nor takes its mark away.
  if (twoPerson || now?.twoPerson === true) state.pendingPolicies.set(policyId, change);
  else apply(state, change, null);
}

/** @throws STATEMENT_REJECTED unless somebody else agrees to the change that waits, and nothing has changed under it. */
export function confirmPolicy(state: FoldState, statement: StatementOf<'policy.confirmed'>): void {
  const pending = state.pendingPolicies.get(statement.policyId);
  if (pending?.statementId !== statement.change) throw rejected('no such change of this policy waits');
  if (pending.setBy === statement.issuer) throw rejected('whoever made a change cannot confirm it');
  checkBase(state, statement.policyId, pending.basedOn);
  apply(state, pending, statement.issuer);
}

function checkBase(state: FoldState, policyId: string, basedOn: string | null): void {
  if ((state.policies.get(policyId)?.statementId ?? null) !== basedOn)
    throw rejected('the policy is not the one that its signer saw; look again');
}

function apply(state: FoldState, change: PendingPolicy, confirmedBy: string | null): void {
  const { cedar, basedOn: _seen, ...rest } = change;
  state.pendingPolicies.delete(change.policyId);
  if (cedar === null) state.policies.delete(change.policyId);
  else state.policies.set(change.policyId, { ...rest, cedar, confirmedBy });
}
