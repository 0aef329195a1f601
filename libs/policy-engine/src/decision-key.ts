import type { PolicyRequest } from '@keymesh/contracts';
import type { PolicyReads } from './policy-reads.js';

/**
 * What a decision of these policies can depend on. Principals of one kind, the same roles and attributes that are read share decisions,
 * and so do resources, unless a policy tells them apart. JSON of an array is injective for JSON values, and null is no value of an attribute.
 */
export const decisionKey = (
  { principal, action, resource, context }: PolicyRequest,
  reads: PolicyReads,
): string =>
  JSON.stringify([
    ...[principal.kind, principal.roles],
    ...(reads.principal.whole
      ? [principal.name, principal.attributes]
      : [null, valuesOf(principal.attributes ?? NONE, reads.principal.attributes)]),
    ...[action, resource.kind],
    reads.resource.whole
      ? [resource.id, resource.attributes]
      : valuesOf(resource.attributes, reads.resource.attributes),
    valuesOf(context, reads.context.attributes),
  ]);

const NONE = {};
const valuesOf = (from: Readonly<Record<string, unknown>>, names: readonly string[]): unknown[] =>
  names.map((name) => (Object.hasOwn(from, name) ? from[name] : null));
