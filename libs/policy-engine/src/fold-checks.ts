import type { FoldState, GrantedPrincipal } from './fold-state.js';
import { rejected } from './statements.js';

// What more than one kind of statement is held to.

/** The key by which the trust root names an operator. */
export const rootKeyOf = (state: FoldState, name: string): string | undefined =>
  state.trustRoot.operators.find((operator) => operator.name === name)?.channelKey;

// INVARIANT: only the mesh's own services are `system` and hold the roles made for them.
export function checkKindAndRoles(
  statement: Pick<GrantedPrincipal, 'kind' | 'roles'> & { readonly principal: string },
): void {
  const system = statement.principal.startsWith('_');
  if (system !== (statement.kind === 'system')) throw rejected('only names with _ are of kind system');
  if (!system && statement.roles.includes('locker')) throw rejected('locker is for services of the mesh');
  if (system && statement.roles.includes('operator')) throw rejected('a service of the mesh is no operator');
}

/** Takes keys that nobody has ever had. @throws STATEMENT_REJECTED */
export function takeKeys(state: FoldState, ...keys: readonly string[]): void {
  if (new Set(keys).size !== keys.length || keys.some((key) => state.keys.has(key)))
    throw rejected('a key in it is already in use');
  for (const key of keys) state.keys.add(key);
}

/** Whether somebody else is an operator by operators' statements. */
export function leavesAnOperator(state: FoldState, without: string): boolean {
  const granted = [...state.principals.values()].some(
    ({ name, roles, disabled }) => name !== without && roles.includes('operator') && !disabled,
  );
  return (
    granted || state.trustRoot.operators.some(({ name }) => name !== without && !state.principals.has(name))
  );
}
