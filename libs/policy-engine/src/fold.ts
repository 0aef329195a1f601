import type { Statement, StatementOf } from '@keymesh/contracts';
import { enrolmentIdOf } from './derived-ids.js';
import { addKeys, removeKeys, setAttributes, setRoles } from './fold-principal.js';
import {
  checkKindAndRoles,
  leavesAnOperator,
  rootKeyOf,
  takeKeys,
  type FoldState,
  type GrantedPrincipal,
} from './fold-state.js';
import { readStatement, rejected, type SignedStatement } from './statements.js';

/** Whether `key` speaks for the operator `name` at this point of the list. */
function isOperator(state: FoldState, name: string, key: string): boolean {
  const principal = state.principals.get(name);
  if (principal === undefined) return rootKeyOf(state, name) === key;
  return !principal.disabled && principal.roles.includes('operator') && principal.channelKeys.includes(key);
}

/**
 * Applies one statement. Either all of it or, with an error, nothing.
 * @throws STATEMENT_REJECTED
 */
export function applyStatement(state: FoldState, text: string): void {
  const signed = readStatement(text);
  const { statement, signer } = signed;
  if (statement.meshId !== state.trustRoot.meshId) throw rejected('it is of another mesh');
  if (state.statementIds.has(statement.statementId)) throw rejected('it was already made');
  if (statement.type === 'enrolment.completed') complete(state, statement, signer);
  else if (isAboutOwnKeys(statement)) applyOwn(state, statement, signer);
  else applyOperators(state, statement, signed);
  state.statementIds.add(statement.statementId);
  state.history.set(statement.principal, [...(state.history.get(statement.principal) ?? []), statement]);
}

type KeyChange = StatementOf<'principal.keys-added' | 'principal.keys-removed'>;
const isAboutOwnKeys = (statement: Statement): statement is KeyChange =>
  (statement.type === 'principal.keys-added' || statement.type === 'principal.keys-removed') &&
  statement.issuer === statement.principal;

/** A principal about its own keys, by a channel key that it has at this point of the list. */
function applyOwn(state: FoldState, statement: KeyChange, signer: string): void {
  const principal = state.principals.get(statement.principal);
  if (principal === undefined || principal.disabled || !principal.channelKeys.includes(signer))
    throw rejected('its signer is no key of this principal');
  const saidAt = Date.parse(statement.issuedAt);
  const last = [state.lastSaidAt, state.lastOwnSaidAt].map((at) => at.get(principal.name) ?? -Infinity);
  if (saidAt < Math.max(...last)) throw rejected('a newer statement about this principal exists');
  changeKeys(state, statement);
  // INVARIANT: a principal's own word, whatever time is in it, never makes an operator's word too old.
  state.lastOwnSaidAt.set(principal.name, saidAt);
}

const changeKeys = (state: FoldState, statement: KeyChange): void =>
  statement.type === 'principal.keys-added' ? addKeys(state, statement) : removeKeys(state, statement);

function applyOperators(
  state: FoldState,
  statement: Exclude<Statement, { type: 'enrolment.completed' }>,
  { signer }: SignedStatement,
): void {
  if (!isOperator(state, statement.issuer, signer))
    throw rejected('its signer is not an active operator of this mesh');
  const saidAt = Date.parse(statement.issuedAt);
  // INVARIANT: what operators said about one principal cannot be put in another order by whoever carries it.
  if (saidAt < (state.lastSaidAt.get(statement.principal) ?? -Infinity))
    throw rejected('a newer statement about this principal exists');
  if (statement.type === 'enrolment.issued') invite(state, statement);
  else if (statement.type === 'principal.granted') grant(state, statement);
  else if (statement.type === 'principal.status-set') setStatus(state, statement);
  else if (statement.type === 'principal.roles-set') setRoles(state, statement);
  else if (statement.type === 'principal.attributes-set') setAttributes(state, statement);
  else changeKeys(state, statement);
  state.lastSaidAt.set(statement.principal, saidAt);
}

function invite(state: FoldState, statement: StatementOf<'enrolment.issued'>): void {
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

function complete(state: FoldState, statement: StatementOf<'enrolment.completed'>, signer: string): void {
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

function grant(state: FoldState, statement: StatementOf<'principal.granted'>): void {
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

function setStatus(state: FoldState, statement: StatementOf<'principal.status-set'>): void {
  const principal = state.principals.get(statement.principal);
  if (principal === undefined) throw rejected('there is no such principal');
  const disabled = statement.status === 'disabled';
  if (disabled && !leavesAnOperator(state, principal.name)) throw rejected('no operator would be left');
  state.principals.set(principal.name, { ...principal, disabled });
}
