import { MAX_KEYS, type StatementOf } from '@keymesh/contracts';
import { endOpenings } from './fold-break-glass.js';
import { checkKindAndRoles, leavesAnOperator, takeKeys } from './fold-checks.js';
import type { FoldState, GrantedPrincipal } from './fold-state.js';
import { isKeyProven } from './key-proof.js';
import { rejected } from './statements.js';

// What is said about a principal that is there. Each changes all that it says or, with an error, nothing.

function existing(state: FoldState, name: string): GrantedPrincipal {
  const principal = state.principals.get(name);
  if (principal === undefined) throw rejected('there is no such principal');
  return principal;
}

/** @throws STATEMENT_REJECTED */
export function setStatus(state: FoldState, statement: StatementOf<'principal.status-set'>): void {
  const principal = existing(state, statement.principal);
  const disabled = statement.status === 'disabled';
  if (disabled && !leavesAnOperator(state, principal.name)) throw rejected('no operator would be left');
  state.principals.set(principal.name, { ...principal, disabled });
  endOpenings(state, principal.name, statement.issuedAt, statement.issuer);
}

/** @throws STATEMENT_REJECTED */
export function setRoles(state: FoldState, statement: StatementOf<'principal.roles-set'>): void {
  const principal = existing(state, statement.principal);
  const { before, roles } = statement;
  // INVARIANT: two operators at once do not undo each other's word: what one took stays taken until somebody saw that.
  if (!sameSet(before, principal.roles))
    throw rejected('the roles are not those that its signer saw; look again');
  if (!isSet(roles)) throw rejected('a role is named twice');
  checkKindAndRoles({ principal: principal.name, kind: principal.kind, roles });
  if (
    !roles.includes('operator') &&
    principal.roles.includes('operator') &&
    !leavesAnOperator(state, principal.name)
  )
    throw rejected('no operator would be left');
  state.principals.set(principal.name, { ...principal, roles });
  if (!roles.includes('break-glass'))
    endOpenings(state, principal.name, statement.issuedAt, statement.issuer);
}

/** @throws STATEMENT_REJECTED */
export function setAttributes(state: FoldState, statement: StatementOf<'principal.attributes-set'>): void {
  const principal = existing(state, statement.principal);
  state.principals.set(principal.name, { ...principal, attributes: statement.attributes });
}

/** @throws STATEMENT_REJECTED unless each new channel key says so itself, and nobody ever had these keys. */
export function addKeys(state: FoldState, statement: StatementOf<'principal.keys-added'>): void {
  const principal = existing(state, statement.principal);
  const { nkeys, channelKeys } = statement;
  const added = channelKeys.map(({ key }) => key);
  if (nkeys.length + added.length === 0) throw rejected('it names no key');
  if (
    principal.nkeys.length + nkeys.length > MAX_KEYS ||
    principal.channelKeys.length + added.length > MAX_KEYS
  )
    throw rejected(`a principal has ${String(MAX_KEYS)} keys of a kind at most; remove one first`);
  if (!channelKeys.every(({ key, proof }) => isKeyProven(statement, key, proof)))
    throw rejected('a new key does not prove itself');
  takeKeys(state, ...nkeys, ...added);
  state.principals.set(principal.name, {
    ...principal,
    nkeys: [...principal.nkeys, ...nkeys],
    channelKeys: [...principal.channelKeys, ...added],
  });
}

/** @throws STATEMENT_REJECTED for a key that is not there, and for the last of a kind. */
export function removeKeys(state: FoldState, statement: StatementOf<'principal.keys-removed'>): void {
  const principal = existing(state, statement.principal);
  if (statement.nkeys.length + statement.channelKeys.length === 0) throw rejected('it names no key');
  const nkeys = without(principal.nkeys, statement.nkeys);
  const channelKeys = without(principal.channelKeys, statement.channelKeys);
  if (nkeys.length === 0 || channelKeys.length === 0)
    throw rejected('a principal keeps a key of each kind; add one first, or disable it');
  state.principals.set(principal.name, { ...principal, nkeys, channelKeys });
}

function without(keys: readonly string[], removed: readonly string[]): readonly string[] {
  if (!isSet(removed) || removed.some((key) => !keys.includes(key)))
    throw rejected('a key in it is none of this principal');
  return keys.filter((key) => !removed.includes(key));
}

const isSet = (items: readonly string[]): boolean => new Set(items).size === items.length;
const sameSet = (a: readonly string[], b: readonly string[]): boolean =>
  isSet(a) && a.length === b.length && a.every((item) => b.includes(item));
