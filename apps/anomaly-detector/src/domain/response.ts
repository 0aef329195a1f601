import type { PrincipalKind, Role } from '@keymesh/contracts';
import type { Finding } from './findings.js';

/** Whether a finding's principal is locked, and in words what is done. */
export type ResponsePlan =
  | { readonly kind: 'lock'; readonly lockSeconds: number }
  | { readonly kind: 'none'; readonly response: string | null };

/** What the directory says of a principal. */
export interface PrincipalFacts {
  readonly kind: PrincipalKind;
  readonly roles: readonly Role[];
}

/** Whether findings of this kind lead to a lock at all. */
export const wantsLock = ({ kind }: Pick<Finding, 'kind'>): boolean => kind === 'denied-burst';

/**
 * Decides on the response. Operators and the mesh's own services are never locked: an attacker who can make denials in their name
 * must not be able to lock out those who would stop him. A burst that is over for longer than a lock lasts is history.
 * @param principal undefined: unknown to the directory.
 */
export function planResponse(
  finding: Finding,
  principal: PrincipalFacts | undefined,
  { lockSeconds, now }: { readonly lockSeconds: number; readonly now: number },
): ResponsePlan {
  if (!wantsLock(finding)) return { kind: 'none', response: null };
  if (principal === undefined) return { kind: 'none', response: 'not locked: unknown principal' };
  if (principal.kind === 'operator' || principal.roles.includes('operator'))
    return { kind: 'none', response: 'not locked: operators never are' };
  if (principal.kind === 'system') return { kind: 'none', response: "not locked: the mesh's own service" };
  if (now - finding.lastEventMs >= lockSeconds * 1000)
    return { kind: 'none', response: 'not locked: it was over before it was seen' };
  return { kind: 'lock', lockSeconds };
}
