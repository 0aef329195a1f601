import { subjectOfStatement, type Role, type Statement, type StatementOf } from '@keymesh/contracts';
import { setCredentialPolicy } from './fold-credential-policy.js';
import { closeBreakGlass, openBreakGlass, reviewBreakGlass } from './fold-break-glass.js';
import { complete, grant, invite } from './fold-enrolment.js';
import { setIdentityRule } from './fold-identity-rule.js';
import { liftKillSwitch } from './fold-kill-switch.js';
import { confirmPolicy, setPolicy } from './fold-policy.js';
import { addKeys, removeKeys, setAttributes, setRoles, setStatus } from './fold-principal.js';
import { rootKeyOf } from './fold-checks.js';
import type { FoldState } from './fold-state.js';
import { setShadow } from './fold-shadow.js';
import { readStatement, rejected } from './statements.js';

/** Who says what, and what it does. Each `apply` does all of it or, with an error, nothing. */
interface Rule<T extends Statement['type']> {
  /** Roles whose holders say it. Empty: nobody by office. */
  readonly office: readonly Role[];
  /** Said by a principal about itself, with a channel key of its own. */
  readonly own?: true;
  readonly apply: (state: FoldState, statement: StatementOf<T>, signer: string) => void;
}

const OPERATORS: readonly Role[] = ['operator'];
const POLICY_WRITERS: readonly Role[] = ['operator', 'security-admin'];
const REVIEWERS: readonly Role[] = ['operator', 'security-admin'];

const RULES: { readonly [T in Statement['type']]: Rule<T> } = {
  'enrolment.issued': { office: OPERATORS, apply: invite },
  // By a token: it proves itself against the invitation.
  'enrolment.completed': { office: [], apply: complete },
  'principal.granted': { office: OPERATORS, apply: grant },
  'principal.status-set': { office: OPERATORS, apply: setStatus },
  'principal.roles-set': { office: OPERATORS, apply: setRoles },
  'principal.attributes-set': { office: OPERATORS, apply: setAttributes },
  'principal.keys-added': { office: OPERATORS, own: true, apply: addKeys },
  'principal.keys-removed': { office: OPERATORS, own: true, apply: removeKeys },
  'policy.set': { office: POLICY_WRITERS, apply: setPolicy },
  'policy.confirmed': { office: POLICY_WRITERS, apply: confirmPolicy },
  'policy.shadow-set': { office: POLICY_WRITERS, apply: setShadow },
  'break-glass.opened': { office: [], own: true, apply: openBreakGlass },
  'break-glass.closed': { office: OPERATORS, own: true, apply: closeBreakGlass },
  'break-glass.reviewed': { office: REVIEWERS, apply: reviewBreakGlass },
  'kill-switch.lifted': { office: OPERATORS, apply: liftKillSwitch },
  'credential-policy.set': { office: POLICY_WRITERS, apply: setCredentialPolicy },
  'identity-rule.set': { office: OPERATORS, apply: setIdentityRule },
};

/**
 * Applies one statement. Either all of it or, with an error, nothing.
 * @throws STATEMENT_REJECTED
 */
export function applyStatement(state: FoldState, text: string): void {
  const { statement, signer } = readStatement(text);
  if (statement.meshId !== state.trustRoot.meshId) throw rejected('it is of another mesh');
  if (state.statementIds.has(statement.statementId)) throw rejected('it was already made');
  const rule = RULES[statement.type] as Rule<Statement['type']>;
  const subject = subjectOfStatement(statement);
  if (statement.type === 'enrolment.completed') rule.apply(state, statement, signer);
  else if (rule.own === true && statement.issuer === subject) applyOwn(state, statement, signer, rule);
  else applyOfficial(state, statement, signer, rule);
  state.statementIds.add(statement.statementId);
  state.history.set(subject, [...(state.history.get(subject) ?? []), statement]);
}

/** A principal about itself, by a channel key that it has at this point of the list. */
function applyOwn(
  state: FoldState,
  statement: Statement,
  signer: string,
  rule: Rule<Statement['type']>,
): void {
  const principal = state.principals.get(statement.issuer);
  if (principal === undefined || principal.disabled || !principal.channelKeys.includes(signer))
    throw rejected('its signer is no key of this principal');
  const saidAt = Date.parse(statement.issuedAt);
  const last = [state.lastSaidAt, state.lastOwnSaidAt].map((at) => at.get(principal.name) ?? -Infinity);
  if (saidAt < Math.max(...last)) throw rejected('a newer statement about this principal exists');
  rule.apply(state, statement, signer);
  // INVARIANT: a principal's own word, whatever time is in it, never makes an operator's word too old.
  state.lastOwnSaidAt.set(principal.name, saidAt);
}

function applyOfficial(
  state: FoldState,
  statement: Statement,
  signer: string,
  { office, apply }: Rule<Statement['type']>,
): void {
  if (!isInOffice(state, statement.issuer, signer, office))
    throw rejected(
      office.length > 1
        ? `its signer is not an active ${office.join(' or ')} of this mesh`
        : 'its signer is not an active operator of this mesh',
    );
  const saidAt = Date.parse(statement.issuedAt);
  const subject = subjectOfStatement(statement);
  // INVARIANT: what was said about one subject cannot be put in another order by whoever carries it.
  if (saidAt < (state.lastSaidAt.get(subject) ?? -Infinity))
    throw rejected(`a newer statement about this ${kindOf(subject)} exists`);
  apply(state, statement, signer);
  state.lastSaidAt.set(subject, saidAt);
}

const kindOf = (subject: string): string =>
  subject.includes(':') ? subject.slice(0, subject.indexOf(':')) : 'principal';

/** Whether `key` speaks for `name`, who holds one of these roles at this point of the list. */
function isInOffice(state: FoldState, name: string, key: string, office: readonly Role[]): boolean {
  const principal = state.principals.get(name);
  if (principal === undefined) return office.includes('operator') && rootKeyOf(state, name) === key;
  return (
    !principal.disabled &&
    principal.roles.some((role) => office.includes(role)) &&
    principal.channelKeys.includes(key)
  );
}
