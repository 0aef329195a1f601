import type { StatementOf } from '@keymesh/contracts';
import type { FoldState, GrantedPrincipal } from './fold-state.js';
import { rejected } from './statements.js';

/** Rules of one mesh: so that a bundle stays small enough to carry. */
const MAX_RULES = 1_000;

/** What a session must not stand for unless its rule says so. */
const PRIVILEGED = ['operator', 'security-admin', 'break-glass'] as const;

/** Whether a principal, as it is now, is more than a rule that is not `privileged` may stand for. */
export const isPrivileged = ({ roles }: Pick<GrantedPrincipal, 'roles'>): boolean =>
  PRIVILEGED.some((role) => roles.includes(role));

/** @throws STATEMENT_REJECTED */
export function setIdentityRule(state: FoldState, statement: StatementOf<'identity-rule.set'>): void {
  const { ruleId, rule, basedOn, statementId, issuer: setBy, issuedAt: setAt } = statement;
  const now = state.identityRules.get(ruleId);
  if ((now?.statementId ?? null) !== basedOn)
    throw rejected('the rule is not the one that its signer saw; look again');
  if (rule === null) {
    if (now === undefined) throw rejected('there is no such rule to remove');
    state.identityRules.delete(ruleId);
    return;
  }
  const principal = state.principals.get(rule.principal);
  if (principal === undefined) throw rejected('there is no such principal');
  if (isPrivileged(principal) && !rule.privileged)
    throw rejected('its principal is privileged, and the rule does not say that it may be');
  if (now === undefined && state.identityRules.size >= MAX_RULES)
    throw rejected(`a mesh has ${String(MAX_RULES)} identity rules at most`);
  state.identityRules.set(ruleId, { ...rule, ruleId, statementId, setBy, setAt });
}
