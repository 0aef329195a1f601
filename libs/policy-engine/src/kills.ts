import type { KillSwitch, PolicyRequest } from '@keymesh/contracts';
import { REVEALING } from './built-in-policies.js';
import type { GrantedPrincipal } from './fold-state.js';

/** What the kill switches in force take away. */
export interface Kills {
  /** Whether this principal may nothing at all. */
  stops(principal: Pick<GrantedPrincipal, 'name' | 'kind' | 'roles'>): boolean;
  /** The kill switch that forbids this because of the namespace that it is about; undefined: none does. */
  forbidding(request: PolicyRequest): KillSwitch | undefined;
}

/**
 * INVARIANT: these only answer "stopped" and "forbidden", so no list of kill switches gives anybody anything. Only one that names an
 * operator stops an operator, so that somebody is left who can lift; the mesh's own services are never stopped, because records,
 * rotations and locks go on through an incident.
 */
export function makeKills(inForce: readonly KillSwitch[]): Kills {
  const namesOf = (scope: KillSwitch['scope']): ReadonlySet<string> =>
    new Set(inForce.flatMap((kill) => (kill.scope === scope ? [kill.name ?? ''] : [])));
  const [principals, roles] = [namesOf('principal'), namesOf('role')];
  const everyone = inForce.some(({ scope }) => scope === 'everyone');
  const namespaces = inForce.filter(({ scope }) => scope === 'namespace');
  return {
    stops({ name, kind, roles: held }) {
      if (kind === 'system') return false;
      if (principals.has(name)) return true;
      if (held.includes('operator')) return false;
      return everyone || held.some((role) => roles.has(role));
    },
    forbidding(request) {
      if (namespaces.length === 0) return undefined;
      const namespace = namespaceOf(request);
      const kill = namespaces.find(({ name }) => namespace !== undefined && isWithin(namespace, name));
      return kill === undefined || isManagement(request) ? undefined : kill;
    },
  };
}

/** What hands out no value stays for operators, who clear up, and for the mesh's own services. */
const isManagement = ({ principal, action }: PolicyRequest): boolean =>
  (principal.kind === 'system' || principal.roles.includes('operator')) && !REVEALING.includes(action);

const namespaceOf = ({ resource: { kind, id, attributes } }: PolicyRequest): string | undefined => {
  if (typeof attributes.namespace === 'string') return attributes.namespace;
  return kind === 'namespace' ? id : undefined;
};

/** Namespaces nest: `billing` holds `billing/eu`. */
const isWithin = (namespace: string, name: string | undefined): boolean =>
  namespace === name || (name !== undefined && namespace.startsWith(`${name}/`));
