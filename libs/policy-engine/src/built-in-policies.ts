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
    'policy.read',
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
    'policy.read',
    'policy.write',
    'approve',
    'kill-switch.set',
    'break-glass.review',
  ],
  'security-admin': [
    'list',
    'describe',
    'audit.read',
    'finding.read',
    'principal.read',
    'principal.lock',
    'policy.read',
    'policy.write',
    'approve',
    'kill-switch.set',
    'break-glass.review',
  ],
  'break-glass': ['list', 'describe', 'retrieve', 'lease.issue', 'store', 'update', 'rotate', 'audit.read'],
  siem: ['audit.read'],
  rotator: ['list', 'describe', 'version.prepare', 'version.promote', 'version.reveal', 'principal.read'],
  locker: ['principal.lock'],
} as const satisfies Partial<Record<Role, readonly Action[]>>;

type PolicyRole = keyof typeof ROLE_ACTIONS;
/** What a role's actions hang on besides the role. */
const CONDITIONS: Partial<Record<PolicyRole, string>> = {
  rotator: 'principal.kind == "system"',
  locker: 'principal.kind == "system"',
  // From a statement of the principal itself, which ends by the clock.
  'break-glass': 'principal has breakGlass && principal.breakGlass',
};

const action = (name: Action): string => `Keymesh::Action::"${name}"`;

function rolePolicy(role: PolicyRole): Policy {
  const actions = ROLE_ACTIONS[role].map(action).join(', ');
  const condition = CONDITIONS[role];
  const when = condition === undefined ? '' : ` when { ${condition} }`;
  return {
    id: `role.${role}`,
    cedar: `permit(principal in Keymesh::Role::"${role}", action in [${actions}], resource)${when};`,
  };
}

/** Whoever may rotate but is no service of the mesh starts rotations, and sees no version. */
const ROTATOR_ACTIONS: readonly Action[] = ['list', 'describe', 'rotate', 'rotation.read'];
/** What hands out values: never to who may write policies, whatever those policies say. */
export const REVEALING: readonly Action[] = ['retrieve', 'use', 'export', 'lease.issue', 'version.reveal'];

/**
 * Every permit that there is without an operator's word. Part of the code that decides, not of the bundle:
 * INVARIANT: whoever can make a bundle cannot add a permit.
 */
export const BUILT_IN_POLICIES: readonly Policy[] = [
  ...(Object.keys(ROLE_ACTIONS) as PolicyRole[]).map(rolePolicy),
  {
    id: 'role.rotator.client',
    cedar: `permit(principal in Keymesh::Role::"rotator", action in [${ROTATOR_ACTIONS.map(action).join(', ')}], resource) unless { principal.kind == "system" };`,
  },
  {
    id: 'role.security-admin.no-values',
    cedar: `forbid(principal in Keymesh::Role::"security-admin", action in [${REVEALING.map(action).join(', ')}], resource);`,
  },
  {
    id: 'system.channel-key',
    cedar: `permit(principal, action == ${action('channel-key.certify')}, resource) when { principal.kind == "system" };`,
  },
];
