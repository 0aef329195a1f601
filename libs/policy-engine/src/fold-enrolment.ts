import type { StatementOf } from '@keymesh/contracts';
import { enrolmentIdOf } from './derived-ids.js';
import { checkKindAndRoles, rootKeyOf, takeKeys } from './fold-checks.js';
import type { FoldState, GrantedPrincipal } from './fold-state.js';
import { rejected } from './statements.js';

// How a principal comes to be: invited with a token that it completes, or granted at once. Each does all of it or, with an error, nothing.

/** @throws STATEMENT_REJECTED */
export function invite(state: FoldState, statement: StatementOf<'enrolment.issued'>): void {
  const { principal, kind, roles, tokenNkey, tokenKey, issuedAt, expiresAt } = statement;
  checkKindAndRoles(statement);
  if (statement.statementId !== enrolmentIdOf(tokenKey)) throw rejected('its id is not that of its token');
  // A name that was only invited may be invited again: the older token ends with that.
  if (state.principals.has(principal) || rootKeyOf(state, principal) !== undefined)
    throw rejected('a principal of this name exists');
  if (Date.parse(expiresAt) <= Date.parse(issuedAt)) throw rejected('it ends before it begins');
  takeKeys(state, tokenNkey, tokenKey);
  const enrolmentId = statement.statementId;
  state.enrolments.set(principal, {
    enrolmentId,
    principal,
    kind,
    roles,
    tokenNkey,
    tokenKey,
    issuedBy: statement.issuer,
    issuedAt,
    expiresAt,
  });
}

/** @throws STATEMENT_REJECTED */
export function complete(
  state: FoldState,
  statement: StatementOf<'enrolment.completed'>,
  signer: string,
): void {
  const { principal, nkey, channelKey, issuedAt } = statement;
  const enrolment = state.enrolments.get(principal);
  if (enrolment?.enrolmentId !== statement.enrolment || enrolment.tokenKey !== signer)
    throw rejected('it is not by the token of an open enrolment');
  if (statement.issuer !== principal) throw rejected('it is not by the invited principal');
  if (Date.parse(issuedAt) > Date.parse(enrolment.expiresAt)) throw rejected('the enrolment has expired');
  takeKeys(state, nkey, channelKey);
  const { kind, roles } = enrolment;
  const createdAt = enrolment.issuedAt;
  state.enrolments.delete(principal);
  addPrincipal(state, { name: principal, kind, roles, nkey, channelKey, createdAt });
}

/** @throws STATEMENT_REJECTED */
export function grant(state: FoldState, statement: StatementOf<'principal.granted'>): void {
  const { principal: name, kind, roles, nkey, channelKey, issuedAt: createdAt } = statement;
  checkKindAndRoles(statement);
  if (state.principals.has(name) || state.enrolments.has(name))
    throw rejected('a principal of this name exists');
  const rootKey = rootKeyOf(state, name);
  if (rootKey !== undefined && (rootKey !== channelKey || !roles.includes('operator')))
    throw rejected('it does not agree with the trust root');
  takeKeys(state, nkey, channelKey);
  addPrincipal(state, { name, kind, roles, nkey, channelKey, createdAt });
}

function addPrincipal(
  state: FoldState,
  {
    nkey,
    channelKey,
    ...rest
  }: Pick<GrantedPrincipal, 'name' | 'kind' | 'roles' | 'createdAt'> & {
    nkey: string;
    channelKey: string;
  },
): void {
  state.principals.set(rest.name, {
    ...rest,
    nkeys: [nkey],
    channelKeys: [channelKey],
    attributes: {},
    disabled: false,
  });
}
