// SOURCE: OCSF 1.3.0, schema.ocsf.io. docs/reference/audit-events.md has the tables.

/** Classes of OCSF that Keymesh's events use. */
export const OCSF_CLASSES = {
  entityManagement: {
    uid: 3004,
    name: 'Entity Management',
    categoryUid: 3,
    category: 'Identity & Access Management',
  },
  authentication: {
    uid: 3002,
    name: 'Authentication',
    categoryUid: 3,
    category: 'Identity & Access Management',
  },
  api: { uid: 6003, name: 'API Activity', categoryUid: 6, category: 'Application Activity' },
} as const;
export type OcsfClass = (typeof OCSF_CLASSES)[keyof typeof OCSF_CLASSES];

export interface OcsfActivity {
  readonly id: number;
  readonly name: string;
}

const CREATE = { id: 1, name: 'Create' };
const READ = { id: 2, name: 'Read' };
const UPDATE = { id: 3, name: 'Update' };
const DELETE = { id: 4, name: 'Delete' };
const OTHER = { id: 99, name: 'Other' };

/** Nouns whose events are about identities. */
const ENTITY_NOUNS = new Set([
  ...[
    'principal',
    'enrolment',
    'policy',
    'policy-set',
    'policy-shadow',
    'policy-bundle',
    'credential-policy',
    'bundle',
    'role',
    'break-glass',
    'kill-switch',
    'identity-rule',
  ],
]);
/** Nouns whose events are about coming in. */
const LOGON_NOUNS = new Set(['connection', 'session', 'channel', 'attempts']);

const API_ACTIVITIES: Readonly<Record<string, OcsfActivity>> = {
  stored: CREATE,
  created: CREATE,
  prepared: CREATE,
  issued: CREATE,
  certified: CREATE,
  started: CREATE,
  requested: CREATE,
  retrieved: READ,
  revealed: READ,
  listed: READ,
  described: READ,
  viewed: READ,
  read: READ,
  explained: READ,
  rotated: UPDATE,
  promoted: UPDATE,
  rewrapped: UPDATE,
  reencrypted: UPDATE,
  locked: UPDATE,
  unlocked: UPDATE,
  cancelled: UPDATE,
  approved: UPDATE,
  rejected: UPDATE,
  updated: UPDATE,
  activated: UPDATE,
  deactivated: UPDATE,
  restored: UPDATE,
  renewed: UPDATE,
  finished: UPDATE,
  failed: UPDATE,
  deleted: DELETE,
  discarded: DELETE,
  revoked: DELETE,
  destroyed: DELETE,
  purged: DELETE,
};

const ENTITY_ACTIVITIES: Readonly<Record<string, OcsfActivity>> = {
  created: CREATE,
  invited: CREATE,
  issued: CREATE,
  granted: CREATE,
  listed: READ,
  described: READ,
  read: READ,
  reported: READ,
  enrolled: UPDATE,
  completed: UPDATE,
  updated: UPDATE,
  published: UPDATE,
  accepted: UPDATE,
  opened: UPDATE,
  closed: UPDATE,
  reviewed: UPDATE,
  disabled: UPDATE,
  enabled: UPDATE,
  locked: UPDATE,
  unlocked: UPDATE,
  set: UPDATE,
  confirmed: UPDATE,
  validated: READ,
  lifted: UPDATE,
  deleted: DELETE,
};

const LOGON = { id: 1, name: 'Logon' };
const LOGON_ACTIVITIES: Readonly<Record<string, OcsfActivity>> = {
  opened: LOGON,
  accepted: LOGON,
  authorised: LOGON,
  authorized: LOGON,
  authenticated: LOGON,
  refused: LOGON,
  rejected: LOGON,
  denied: LOGON,
  'locked-out': LOGON,
  closed: { id: 2, name: 'Logoff' },
  kicked: { id: 2, name: 'Logoff' },
};

/** Class and activity of an event type; a verb that is in no table is "Other". @param type `<noun>.<past>` */
export function classify(type: string): { class: OcsfClass; activity: OcsfActivity } {
  const [noun = '', past = ''] = type.split('.');
  const of = (table: Readonly<Record<string, OcsfActivity>>): OcsfActivity =>
    Object.hasOwn(table, past) ? (table[past] ?? OTHER) : OTHER;
  if (LOGON_NOUNS.has(noun)) return { class: OCSF_CLASSES.authentication, activity: of(LOGON_ACTIVITIES) };
  if (ENTITY_NOUNS.has(noun))
    return { class: OCSF_CLASSES.entityManagement, activity: of(ENTITY_ACTIVITIES) };
  return { class: OCSF_CLASSES.api, activity: of(API_ACTIVITIES) };
}
