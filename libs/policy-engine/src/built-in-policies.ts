import type { Action, PolicyBundle, Role } from '@keymesh/contracts';

export type Policy = PolicyBundle['policies'][number];

/** What each role may do. `plain-reply` is about the transport and permits nothing. */
export const ROLE_ACTIONS = {
  reader: ['list', 'describe', 'retrieve', 'lease.issue'],
  writer: [
    'list',
    'describe',
    'retrieve',
    'store',
    'rotate',
    'delete',
    'update',
    'restore',
    'import',
    'lease.issue',
  ],
  auditor: [
    'list',
    'describe',
    'audit.read',
    'finding.read',
    'principal.read',
    'rotation.read',
    'key.read',
    'lease.read',
    'backup.read',
  ],
  operator: [
    'list',
    'describe',
    'retrieve',
    'store',
    'rotate',
    'delete',
    'update',
    'restore',
    'destroy',
    'export',
    'import',
    'lease.issue',
    'lease.read',
    'lease.revoke',
    'key.read',
    'key.rotate',
    'vault.lock',
    'backup.read',
    'backup.create',
    'audit.read',
    'finding.read',
    'principal.read',
    'rotation.read',
    'principal.write',
    'principal.lock',
  ],
  siem: ['audit.read'],
  rotator: ['list', 'describe', 'version.prepare', 'version.promote', 'version.reveal', 'principal.read'],
  locker: ['principal.lock'],
} as const satisfies Partial<Record<Role, readonly Action[]>>;

type PolicyRole = keyof typeof ROLE_ACTIONS;
const SYSTEM_ROLES: readonly PolicyRole[] = ['rotator', 'locker'];

const action = (name: Action): string => `Keymesh::Action::"${name}"`;

function rolePolicy(role: PolicyRole): Policy {
  const actions = ROLE_ACTIONS[role].map(action).join(', ');
  const when = SYSTEM_ROLES.includes(role) ? ' when { principal.kind == "system" }' : '';
  return {
    id: `role.${role}`,
    cedar: `permit(principal in Keymesh::Role::"${role}", action in [${actions}], resource)${when};`,
  };
}

/**
 * Every permit that there is. Part of the code that decides, not of the bundle:
 * INVARIANT: whoever can make a bundle cannot add a permit.
 */
export const BUILT_IN_POLICIES: readonly Policy[] = [
  ...(Object.keys(ROLE_ACTIONS) as PolicyRole[]).map(rolePolicy),
  {
    id: 'system.channel-key',
    cedar: `permit(principal, action == ${action('channel-key.certify')}, resource) when { principal.kind == "system" };`,
  },
];
