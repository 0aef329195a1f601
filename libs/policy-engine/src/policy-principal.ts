import type { PolicyRequest } from '@keymesh/contracts';
import type { Directory, DirectoryEntry } from './directory.js';

type Principal = PolicyRequest['principal'];
type Attributes = Principal['attributes'];
type Told = Pick<DirectoryEntry, 'name' | 'kind' | 'roles' | 'attributes' | 'breakGlassUntil'>;

/** The principal part of a policy request: what the directory says of it now. */
export function policyPrincipal(entry: Told): Principal {
  const { name, kind, roles } = entry;
  const attributes = policyAttributes(entry);
  return { name, kind, roles: [...roles], ...(attributes === undefined ? {} : { attributes }) };
}

/** @returns undefined where there is nothing to tell, as for most principals. */
function policyAttributes({
  attributes,
  breakGlassUntil,
}: Pick<Told, 'attributes' | 'breakGlassUntil'>): Attributes {
  const { team, environment, networks, labels } = attributes;
  const told = {
    ...(team === undefined ? {} : { team }),
    ...(environment === undefined ? {} : { environment }),
    ...(networks === undefined ? {} : { networks }),
    ...(labels === undefined
      ? {}
      : {
          labels: Object.entries(labels)
            .map(([key, value]) => `${key}=${value}`)
            .sort(),
        }),
    ...(breakGlassUntil === undefined ? {} : { breakGlass: true }),
  };
  return Object.keys(told).length === 0 ? undefined : told;
}

/**
 * INVARIANT: roles come from operators' statements. A caller that builds a request with other roles, or for a principal that is disabled
 * or locked by now, gets a forbid whatever the policies say. Checked on each call, never cached.
 * @returns what is wrong; undefined when the request tells of its principal what the directory does.
 */
export function mismatch(principal: Principal, directory: Pick<Directory, 'find'>): string | undefined {
  const entry = directory.find(principal.name);
  if (entry === undefined) return 'principal: unknown';
  if (entry.status !== 'active') return `principal: ${entry.status}`;
  const sameRoles =
    entry.roles.length === principal.roles.length &&
    principal.roles.every((role) => entry.roles.includes(role));
  const same =
    sameRoles &&
    entry.kind === principal.kind &&
    sameAttributes(policyAttributes(entry), principal.attributes);
  return same ? undefined : 'principal: not as in the directory';
}

// Both made by policyAttributes, so the order of their keys is one.
const sameAttributes = (a: Attributes, b: Attributes): boolean =>
  a === b || JSON.stringify(a) === JSON.stringify(b);
