import { policyToJson, type PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';

/** Context attributes whose value is new every time: what depends on them is not cached. */
const UNCACHEABLE_CONTEXT = ['time'] as const;

type Variable = 'principal' | 'resource' | 'context';

/** What a set of policies can see of one variable. */
export interface VariableReads {
  /** Sorted. Of requests that agree in these (and in the rest) a policy says the same. */
  readonly attributes: readonly string[];
  /** True when a policy uses it as a whole (compares it, looks for it in a set), so that its id and every attribute count. */
  readonly whole: boolean;
}

/** What a set of policies can see of a request, besides the action, the kind of the resource, and the principal's kind and roles. */
export type PolicyReads = Readonly<Record<Variable, VariableReads>>;

/** @returns the policy in Cedar's JSON form, or undefined when it does not parse as one static policy. */
export function parsePolicy(cedar: string): PolicyJson | undefined {
  const answer = policyToJson(cedar);
  return answer.type === 'success' ? answer.json : undefined;
}

/**
 * Collects what policies read of a request. INVARIANT: whatever is not understood here counts as reading the whole, because decisions
 * that agree in what is read are taken for the same.
 */
export function policyReadsOf(policies: readonly PolicyJson[]): PolicyReads {
  const reads = { principal: makeReads(), resource: makeReads(), context: makeReads() };
  for (const { principal, resource, conditions } of policies) {
    if (namesEntity(principal)) reads.principal.whole = true;
    if (namesEntity(resource)) reads.resource.whole = true;
    visit(conditions, reads);
  }
  return {
    principal: sorted(reads.principal),
    resource: sorted(reads.resource),
    context: sorted(reads.context),
  };
}

/** Whether decisions of these policies may be kept. */
export const isCacheable = ({ context }: PolicyReads): boolean =>
  !context.whole && !UNCACHEABLE_CONTEXT.some((attribute) => context.attributes.includes(attribute));

interface Collected {
  readonly attributes: Set<string>;
  whole: boolean;
}
const makeReads = (): Collected => ({ attributes: new Set(), whole: false });
const sorted = ({ attributes, whole }: Collected): VariableReads => ({
  attributes: [...attributes].sort(),
  whole,
});

function visit(node: unknown, reads: Readonly<Record<Variable, Collected>>): void {
  if (Array.isArray(node)) {
    for (const item of node) visit(item, reads);
    return;
  }
  if (!isRecord(node)) return;
  if (isVariable(node.Var)) reads[node.Var].whole = true;
  if ('__entity' in node) for (const variable of mayBe(node.__entity)) reads[variable].whole = true;
  for (const [key, value] of Object.entries(node)) {
    const attribute = key === '.' || key === 'has' ? attributeRead(value) : undefined;
    if (attribute !== undefined) reads[attribute.of].attributes.add(attribute.name);
    else if (!(key === 'in' && asksForRoles(value)) && !(key === 'is' && asksForType(value)))
      visit(value, reads);
  }
}

/** What an entity that a condition names may turn out to be in a request: what is asked of it then depends on who asks, and of what. */
function mayBe(entity: unknown): readonly ('principal' | 'resource')[] {
  const type = isRecord(entity) ? entity.type : undefined;
  if (type === 'Keymesh::Role' || type === 'Keymesh::Action') return [];
  if (type === 'Keymesh::Principal') return ['principal'];
  return ['principal', 'resource'];
}

// `resource is Keymesh::Credential`: the kind of the resource is always told apart, and there is one type of principal.
const asksForType = (node: unknown): boolean =>
  isRecord(node) && isRecord(node.left) && isVariable(node.left.Var) && node.in === undefined;

// `context.a`, `context has a`, `context has a.b` (an attribute list); undefined when it is not about a variable itself.
function attributeRead(node: unknown): { readonly of: Variable; readonly name: string } | undefined {
  if (!isRecord(node) || !isRecord(node.left) || !isVariable(node.left.Var)) return undefined;
  const name: unknown = Array.isArray(node.attr) ? node.attr[0] : node.attr;
  return typeof name === 'string' ? { of: node.left.Var, name } : undefined;
}

// `principal in Keymesh::Role::"reader"`, or in a list of roles: roles are no part of what a policy tells principals apart by.
function asksForRoles(node: unknown): boolean {
  if (!isRecord(node) || !isRecord(node.left) || node.left.Var !== 'principal' || !isRecord(node.right))
    return false;
  const { right } = node;
  const entities: unknown[] = Array.isArray(right.Set) ? right.Set : [right];
  return entities.every(
    (entity) => isRecord(entity) && isRecord(entity.Value) && isRole(entity.Value.__entity),
  );
}

/** Whether a policy's scope (`principal == …`, `resource in …`, `principal is … in …`) names an entity other than a role. */
function namesEntity(scope: unknown): boolean {
  if (!isRecord(scope)) return true;
  if (scope.op === 'All') return false;
  if (scope.op === 'is') return scope.in !== undefined && !(isRecord(scope.in) && isRole(scope.in.entity));
  return !isRole(scope.entity);
}

const isRole = (entity: unknown): boolean => isRecord(entity) && entity.type === 'Keymesh::Role';

const isVariable = (name: unknown): name is Variable =>
  name === 'principal' || name === 'resource' || name === 'context';

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
