import type { InForce } from '@keymesh/contracts';

/** Where a change is in force, as a person reads it; empty where the reply does not say. */
export function whereInForce(inForce: InForce | undefined): string {
  if (inForce === undefined) return '';
  const { instances, withinMs, unconfirmed } = inForce;
  const everywhere = `in force on ${String(instances)} instances after ${String(withinMs)} ms`;
  if (unconfirmed.length === 0) return everywhere;
  return `${everywhere}; NOT confirmed within a second by ${unconfirmed.join(', ')}`;
}
