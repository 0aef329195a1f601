import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { PolicyRequest } from '@keymesh/contracts';
import { RESOURCE_TYPES } from './cedar.js';

/**
 * Whether a policy can have a say on an action and a kind of resource. What its scope rules out neither decides nor errs, so leaving it
 * out changes no answer. INVARIANT: whatever is not understood here is in scope.
 */
export const isInScope = (
  { action, resource }: Pick<PolicyJson, 'action' | 'resource'>,
  asked: PolicyRequest['action'],
  kind: PolicyRequest['resource']['kind'],
): boolean => namesAction(action, asked) && namesType(resource, RESOURCE_TYPES[kind]);

// Actions have no groups: `in` a list is to be one of it.
function namesAction(scope: PolicyJson['action'], asked: string): boolean {
  if (scope.op === 'All') return true;
  const entities = 'entities' in scope ? scope.entities : 'entity' in scope ? [scope.entity] : undefined;
  return entities === undefined || entities.some((entity) => uidOf(entity).id === asked);
}

// No resource has a parent: `in` something is to be it.
function namesType(scope: PolicyJson['resource'], type: string): boolean {
  if (scope.op === 'All') return true;
  if (scope.op === 'is') return scope.entity_type === type;
  return !('entity' in scope) || uidOf(scope.entity).type === type;
}

interface Uid {
  readonly type: string;
  readonly id: string;
}
const uidOf = (entity: Uid | { readonly __entity: Uid }): Uid =>
  '__entity' in entity ? entity.__entity : entity;
