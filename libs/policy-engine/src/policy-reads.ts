import { policyToJson, type PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';

/** Context attributes whose value is new every time: what depends on them is not cached. */
export const UNCACHEABLE_CONTEXT = ['time', 'risk', 'approvals'] as const;

/** Which parts of the context a set of policies can see. */
export interface ContextReads {
  /** Sorted. Decisions that agree in these (and in the rest of the key) are the same. */
  readonly attributes: readonly string[];
  /** True when a policy uses the context as a whole, so that every attribute counts. */
  readonly whole: boolean;
}

/** @returns the policy in Cedar's JSON form, or undefined when it does not parse as one static policy. */
export function parsePolicy(cedar: string): PolicyJson | undefined {
  const answer = policyToJson(cedar);
  return answer.type === 'success' ? answer.json : undefined;
}

/** Collects what the conditions of policies read of the context. */
export function contextReadsOf(policies: readonly PolicyJson[]): ContextReads {
  const attributes = new Set<string>();
  let whole = false;
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) {
      node.forEach(visit);
      return;
    }
    if (!isRecord(node)) return;
    if (node.Var === 'context') whole = true;
    for (const [key, value] of Object.entries(node)) {
      const attribute = key === '.' || key === 'has' ? attributeOfContext(value) : undefined;
      if (attribute === undefined) visit(value);
      else attributes.add(attribute);
    }
  };
  policies.forEach((policy) => visit(policy.conditions));
  return { attributes: [...attributes].sort(), whole };
}

/** Whether decisions of these policies may be kept. */
export const isCacheable = (reads: ContextReads): boolean =>
  !reads.whole && !UNCACHEABLE_CONTEXT.some((attribute) => reads.attributes.includes(attribute));

// `context.a`, `context has a`, `context has a.b` (an attribute list); undefined when it is not about the context itself.
function attributeOfContext(node: unknown): string | undefined {
  if (!isRecord(node) || !isRecord(node.left) || node.left.Var !== 'context') return undefined;
  const attribute: unknown = Array.isArray(node.attr) ? node.attr[0] : node.attr;
  return typeof attribute === 'string' ? attribute : undefined;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
