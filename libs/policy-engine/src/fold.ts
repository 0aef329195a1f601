import type { PrincipalKind, Role, Statement, StatementOf, TrustRoot } from '@keymesh/contracts';
import { enrolmentIdOf } from './derived-ids.js';
import { readStatement, rejected, type SignedStatement } from './statements.js';

/** A principal as operators' statements made it; what the policy service took away is not in here. */
export interface GrantedPrincipal {
  readonly name: string;
  readonly kind: PrincipalKind;
  readonly roles: readonly Role[];
  readonly nkeys: readonly string[];
  readonly channelKeys: readonly string[];
  /** By an operator's own statement. */
  readonly disabled: boolean;
  readonly createdAt: string;
}

/** An invitation that nobody has used. Whether it has expired is for the reader's clock. */
export interface OpenEnrolment {
  readonly enrolmentId: string;
  readonly principal: string;
  readonly kind: PrincipalKind;
  readonly roles: readonly Role[];
  readonly tokenNkey: string;
  readonly tokenKey: string;
  readonly issuedBy: string;
  readonly issuedAt: string;
  readonly expiresAt: string;
}

/** What a list of statements comes to. Changed in place while folding; nobody else holds it then. */
export interface FoldState {
  readonly trustRoot: TrustRoot;
  readonly principals: Map<string, GrantedPrincipal>;
  /** Open enrolments by principal. */
  readonly enrolments: Map<string, OpenEnrolment>;
  readonly statementIds: Set<string>;
  /** Every nkey and public key ever named: none is accepted twice. */
  readonly keys: Set<string>;
  /** When an operator last said something about a principal. */
  readonly lastSaidAt: Map<string, number>;
}

export const emptyFold = (trustRoot: TrustRoot): FoldState => ({
  trustRoot,
  principals: new Map(),
  enrolments: new Map(),
  statementIds: new Set(),
  keys: new Set([trustRoot.meshPublicKey, trustRoot.bundlePublicKey]),
  lastSaidAt: new Map(),
});

export const copyFold = (state: FoldState): FoldState => ({
  trustRoot: state.trustRoot,
  principals: new Map(state.principals),
  enrolments: new Map(state.enrolments),
  statementIds: new Set(state.statementIds),
  keys: new Set(state.keys),
  lastSaidAt: new Map(state.lastSaidAt),
});

const rootKeyOf = (state: FoldState, name: string): string | undefined =>
  state.trustRoot.operators.find((operator) => operator.name === name)?.channelKey;

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
  else applyOperators(state, statement, signed);
  state.statementIds.add(statement.statementId);
}

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
  else setStatus(state, statement);
  state.lastSaidAt.set(statement.principal, saidAt);
}

// INVARIANT: only the mesh's own services are `system` and hold the roles made for them.
function checkKindAndRoles(statement: StatementOf<'enrolment.issued' | 'principal.granted'>): void {
  const system = statement.principal.startsWith('_');
  if (system !== (statement.kind === 'system')) throw rejected('only names with _ are of kind system');
  const ownRoles = statement.roles.filter((role) => role === 'rotator' || role === 'locker');
  if (!system && ownRoles.length > 0) throw rejected('rotator and locker are for services of the mesh');
  if (system && statement.roles.includes('operator')) throw rejected('a service of the mesh is no operator');
}

function takeKeys(state: FoldState, ...keys: readonly string[]): void {
  if (new Set(keys).size !== keys.length || keys.some((key) => state.keys.has(key)))
    throw rejected('a key in it is already in use');
  for (const key of keys) state.keys.add(key);
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
  state.principals.set(rest.name, { ...rest, nkeys: [nkey], channelKeys: [channelKey], disabled: false });
}

function setStatus(state: FoldState, statement: StatementOf<'principal.status-set'>): void {
  const principal = state.principals.get(statement.principal);
  if (principal === undefined) throw rejected('there is no such principal');
  const disabled = statement.status === 'disabled';
  if (disabled && !leavesAnOperator(state, principal.name)) throw rejected('no operator would be left');
  state.principals.set(principal.name, { ...principal, disabled });
}

function leavesAnOperator(state: FoldState, without: string): boolean {
  const granted = [...state.principals.values()].some(
    ({ name, roles, disabled }) => name !== without && roles.includes('operator') && !disabled,
  );
  return (
    granted || state.trustRoot.operators.some(({ name }) => name !== without && !state.principals.has(name))
  );
}
