import { z } from 'zod';
import { secretBytes } from '../codec.js';
import { CREDENTIAL_TYPES, JWT_ALGORITHMS } from '../credential-types.js';
import { clientPrincipalName } from '../identity.js';
import { defineRpc } from '../rpc.js';

const SEGMENT = '[a-z0-9][a-z0-9._-]{0,127}';
/** `billing/stripe`: namespaces, then the name. Without a slash the namespace is `default`. */
export const credentialName = z
  .string()
  .max(512, 'CREDENTIAL_NAME_INVALID')
  .regex(new RegExp(`^${SEGMENT}(/${SEGMENT}){0,3}$`), 'CREDENTIAL_NAME_INVALID');

export const STAGES = ['pending', 'current', 'previous', 'revoked'] as const;
export type Stage = (typeof STAGES)[number];
export const SENSITIVITIES = ['low', 'medium', 'high', 'critical'] as const;
export type Sensitivity = (typeof SENSITIVITIES)[number];
/** What a credential is now: `deleted` counts before `inactive`, and that before `expired`. */
export const CREDENTIAL_STATUSES = ['active', 'inactive', 'expired', 'deleted'] as const;
export type CredentialStatus = (typeof CREDENTIAL_STATUSES)[number];
export const ROTATION_ADAPTERS = ['generated', 'postgres-role'] as const;
export type RotationAdapter = (typeof ROTATION_ADAPTERS)[number];

/** Parts of a value by name, as its type says (docs/reference/credential-types.md). All travel as binary parts, secret or not. */
export const values = z.record(z.string().regex(/^[a-z][a-z0-9_]{0,31}$/), secretBytes());

/** How a credential is rotated. Settings are the adapter's: host, port, database for `postgres-role`. Never a secret. */
export const rotationSettings = z.strictObject({
  adapter: z.enum(ROTATION_ADAPTERS),
  /** Seconds between rotations; absent: the credential policy's (30 days). 0: only on command. */
  intervalSeconds: z
    .int()
    .min(0)
    .max(10 * 366 * 86_400)
    .optional(),
  settings: z.record(z.string().max(64), z.union([z.string().max(256), z.number()])).optional(),
});

export const finding = z.strictObject({
  rule: z.string(),
  severity: z.enum(['error', 'warning']),
  advice: z.string(),
});
export type Finding = z.output<typeof finding>;

const timestamp = z.iso.datetime();
const tag = z.string().max(64);
const labelText = z.string().min(1).max(128);
/** Longest recovery window, in days. */
const MAX_RECOVERY_DAYS = 3_650;

// A deleted credential keeps its id, while its name may be another's by now.
const nameOrId = { name: credentialName.optional(), credentialId: z.uuid().optional() };
const hasOne = ({
  name,
  credentialId,
}: {
  name?: string | undefined;
  credentialId?: string | undefined;
}): boolean => (name === undefined) !== (credentialId === undefined);
const ONE_OF_BOTH = 'Give either name or credentialId.';

export const credentialMetadata = z.strictObject({
  credentialId: z.uuid(),
  name: credentialName,
  namespace: z.string(),
  type: z.enum(CREDENTIAL_TYPES),
  provider: z.string().nullable(),
  description: z.string().nullable(),
  tags: z.array(z.string()),
  owner: z.string(),
  label: z.string().nullable(),
  status: z.enum(CREDENTIAL_STATUSES),
  isActive: z.boolean(),
  sensitivity: z.enum(SENSITIVITIES).nullable(),
  /** 0–100, of the current version; null where nothing was measured. */
  strengthScore: z.int().nullable(),
  /** Current version number, from 1. */
  version: z.int(),
  /** Grows with every change of the credential or its versions. */
  revision: z.int(),
  rotation: rotationSettings.nullable(),
  createdAt: timestamp,
  updatedAt: timestamp,
  /** When the current version was made; rotation and max age count from here. */
  versionCreatedAt: timestamp,
  expiresAt: timestamp.nullable(),
  deletedAt: timestamp.nullable(),
  /** Until then a deleted credential can be restored. */
  recoverableUntil: timestamp.nullable(),
});
export type CredentialMetadata = z.output<typeof credentialMetadata>;

export const storeCredential = defineRpc({
  name: 'storeCredential',
  service: 'vault',
  noun: 'credential',
  verb: 'store',
  mutation: true,
  request: z.strictObject({
    name: credentialName,
    type: z.string().max(64),
    /** Absent with `generate`. */
    values: values.optional(),
    /** The vault makes what its type says can be made: texts of so many characters, keys for this algorithm. */
    generate: z
      .strictObject({
        lengthChars: z.int().min(16).max(256).default(40),
        algorithm: z.enum(JWT_ALGORITHMS).optional(),
      })
      .optional(),
    provider: z.string().max(128).optional(),
    description: z.string().max(1024).optional(),
    tags: z.array(z.string().max(64)).max(32).optional(),
    label: z.string().max(128).optional(),
    sensitivity: z.enum(SENSITIVITIES).optional(),
    rotation: rotationSettings.optional(),
    expiresAt: timestamp.optional(),
    /** Absent: the name must be new (CREDENTIAL_EXISTS). A number: makes the next version if that is the current one. `any`: appends. */
    expectedVersion: z.union([z.int().min(1), z.literal('any')]).optional(),
  }),
  reply: z.strictObject({
    credentialId: z.uuid(),
    name: credentialName,
    version: z.int(),
    revision: z.int(),
    created: z.boolean(),
    /** 0–100; null where nothing about the value can be judged. Absent from a vault that does not judge. */
    score: z.int().nullable().optional(),
    findings: z.array(finding),
  }),
});

export const retrieveCredential = defineRpc({
  name: 'retrieveCredential',
  service: 'vault',
  noun: 'credential',
  verb: 'retrieve',
  request: z.strictObject({
    name: credentialName,
    version: z.int().min(1).optional(),
    stage: z.enum(['current', 'previous']).optional(),
  }),
  reply: z.strictObject({
    credentialId: z.uuid(),
    name: credentialName,
    type: z.enum(CREDENTIAL_TYPES),
    version: z.int(),
    stage: z.enum(STAGES),
    revision: z.int(),
    values,
    expiresAt: timestamp.nullable(),
    /** True once `expiresAt` has passed, where the credential policy serves expired values all the same. Absent: no. */
    expired: z.boolean().optional(),
    /** True when Postgres was away and the value comes from memory (DESIGN promise 8). */
    stale: z.boolean(),
  }),
});

export const listCredentials = defineRpc({
  name: 'listCredentials',
  service: 'vault',
  noun: 'credential',
  verb: 'list',
  request: z.strictObject({
    /** With all namespaces below it. */
    namespace: z.string().max(512).optional(),
    type: z.enum(CREDENTIAL_TYPES).optional(),
    provider: z.string().max(128).optional(),
    tag: tag.optional(),
    /** All of them. */
    tags: z.array(tag).max(32).optional(),
    owner: z.string().max(64).optional(),
    sensitivity: z.enum(SENSITIVITIES).optional(),
    /** Absent: all but deleted ones. `deleted`: those that can still be restored. */
    status: z.enum(CREDENTIAL_STATUSES).optional(),
    /** Strictly before; one without an expiry is never among them. */
    expiresBefore: timestamp.optional(),
    expiresAfter: timestamp.optional(),
    /** Somewhere in name, label or description, whatever the case. */
    text: z.string().min(1).max(128).optional(),
    pageSize: z.int().min(1).max(1000).default(200),
    pageToken: z.string().max(800).optional(),
  }),
  reply: z.strictObject({
    credentials: z.array(credentialMetadata),
    nextPageToken: z.string().nullable(),
    /** True when Postgres was away: what was stored or deleted since may be missing here. */
    stale: z.boolean(),
  }),
});

export const describeCredential = defineRpc({
  name: 'describeCredential',
  service: 'vault',
  noun: 'credential',
  verb: 'describe',
  /** By id also a deleted one. */
  request: z.strictObject(nameOrId).refine(hasOne, ONE_OF_BOTH),
  reply: credentialMetadata,
});

export const credentialHistory = defineRpc({
  name: 'credentialHistory',
  service: 'vault',
  noun: 'credential',
  verb: 'history',
  /** By id also a deleted one. */
  request: z.strictObject(nameOrId).refine(hasOne, ONE_OF_BOTH),
  reply: z.strictObject({
    credentialId: z.uuid(),
    name: credentialName,
    versions: z.array(
      z.strictObject({
        version: z.int(),
        stage: z.enum(STAGES),
        createdAt: timestamp,
        createdBy: z.string(),
        /** 0–100; null where nothing was measured. */
        strengthScore: z.int().nullable(),
        /** When its value was destroyed; null while it is there. */
        destroyedAt: timestamp.nullable(),
      }),
    ),
  }),
});

export const deleteCredential = defineRpc({
  name: 'deleteCredential',
  service: 'vault',
  noun: 'credential',
  verb: 'delete',
  mutation: true,
  request: z.strictObject({
    name: credentialName,
    expectedVersion: z.int().min(1).optional(),
    /** How long it can be restored; absent: as the vault is configured. Shorter than that takes the right to `destroy`; 0 destroys now. */
    recoveryDays: z.int().min(0).max(MAX_RECOVERY_DAYS).optional(),
  }),
  reply: z.strictObject({
    credentialId: z.uuid(),
    name: credentialName,
    revision: z.int(),
    /** Null: its versions are destroyed already. */
    recoverableUntil: timestamp.nullable(),
  }),
});

/** Changes what is known of a credential, never its value. Absent: stays as it is; null: is cleared. */
export const updateCredential = defineRpc({
  name: 'updateCredential',
  service: 'vault',
  noun: 'credential',
  verb: 'update',
  mutation: true,
  request: z.strictObject({
    name: credentialName,
    /** Only if this is its revision now. */
    expectedRevision: z.int().min(1).optional(),
    label: labelText.nullable().optional(),
    description: z.string().max(1024).nullable().optional(),
    provider: z.string().max(128).nullable().optional(),
    /** `set` replaces all; then `add` and `remove` work on what is there. */
    tags: z
      .strictObject({
        set: z.array(tag).max(32).optional(),
        add: z.array(tag).max(32).optional(),
        remove: z.array(tag).max(32).optional(),
      })
      .optional(),
    /** A principal that there is. */
    owner: clientPrincipalName.optional(),
    sensitivity: z.enum(SENSITIVITIES).nullable().optional(),
    rotation: rotationSettings.nullable().optional(),
    expiresAt: timestamp.nullable().optional(),
  }),
  reply: credentialMetadata,
});

const setStatus = {
  service: 'vault',
  noun: 'credential',
  mutation: true,
  request: z.strictObject({ name: credentialName }),
  reply: z.strictObject({
    credentialId: z.uuid(),
    name: credentialName,
    status: z.enum(CREDENTIAL_STATUSES),
    revision: z.int(),
  }),
} as const;

/** Hands a deactivated credential out again. */
export const activateCredential = defineRpc({ name: 'activateCredential', verb: 'activate', ...setStatus });

/** Hands it to nobody until it is activated: answered when no instance reveals it any more. */
export const deactivateCredential = defineRpc({
  name: 'deactivateCredential',
  verb: 'deactivate',
  ...setStatus,
});

/** Takes back a deletion within its recovery window. */
export const restoreCredential = defineRpc({
  name: 'restoreCredential',
  service: 'vault',
  noun: 'credential',
  verb: 'restore',
  mutation: true,
  request: z
    .strictObject({
      /** The one deleted last under it. */
      ...nameOrId,
      /** Another name of the same namespace, where its own is taken. */
      as: credentialName.optional(),
    })
    .refine(hasOne, ONE_OF_BOTH),
  reply: z.strictObject({
    credentialId: z.uuid(),
    name: credentialName,
    version: z.int(),
    revision: z.int(),
  }),
});

/** Destroys the value of a previous or revoked version for ever; its row, number and key id stay. */
export const destroyVersion = defineRpc({
  name: 'destroyVersion',
  service: 'vault',
  noun: 'version',
  verb: 'destroy',
  mutation: true,
  request: z.strictObject({ name: credentialName, version: z.int().min(1) }),
  reply: z.strictObject({
    credentialId: z.uuid(),
    name: credentialName,
    version: z.int(),
    revision: z.int(),
    destroyedAt: timestamp,
  }),
});

// ---- for the rotation service (role rotator). By id; each is safe to repeat for the same rotationId.

/** Makes (or finds again) the pending version of a rotation: generated by the vault, or of the given values. */
export const prepareVersion = defineRpc({
  name: 'prepareVersion',
  service: 'vault',
  noun: 'version',
  verb: 'prepare',
  mutation: true,
  request: z.strictObject({ credentialId: z.uuid(), rotationId: z.uuid(), values: values.optional() }),
  reply: z.strictObject({ credentialId: z.uuid(), version: z.int(), revision: z.int() }),
});

/** pending → current, current → previous, previous → revoked. Repeating it after success changes nothing. */
export const promoteVersion = defineRpc({
  name: 'promoteVersion',
  service: 'vault',
  noun: 'version',
  verb: 'promote',
  mutation: true,
  request: z.strictObject({ credentialId: z.uuid(), rotationId: z.uuid(), version: z.int() }),
  reply: z.strictObject({ credentialId: z.uuid(), version: z.int(), revision: z.int() }),
});

/** Ends a pending version that will not become current. */
export const discardVersion = defineRpc({
  name: 'discardVersion',
  service: 'vault',
  noun: 'version',
  verb: 'discard',
  mutation: true,
  request: z.strictObject({ credentialId: z.uuid(), rotationId: z.uuid(), version: z.int() }),
  reply: z.strictObject({ credentialId: z.uuid(), revision: z.int() }),
});

/** The values of one version, for the set and test steps of an open rotation. Journaled like any reveal. */
export const revealVersion = defineRpc({
  name: 'revealVersion',
  service: 'vault',
  noun: 'version',
  verb: 'reveal',
  request: z.strictObject({ credentialId: z.uuid(), rotationId: z.uuid(), version: z.int() }),
  reply: z.strictObject({ credentialId: z.uuid(), version: z.int(), stage: z.enum(STAGES), values }),
});

/** What the rotation service schedules by: every credential with rotation settings. */
export const listRotatable = defineRpc({
  name: 'listRotatable',
  service: 'vault',
  noun: 'version',
  verb: 'list-rotatable',
  request: z.strictObject({ credentialId: z.uuid().optional(), name: credentialName.optional() }),
  reply: z.strictObject({ credentials: z.array(credentialMetadata) }),
});

/** The vault signs, with the mesh key, the short-lived channel key of the service that asks (it proves its name by its own channel). */
export const certifyChannelKey = defineRpc({
  name: 'certifyChannelKey',
  service: 'vault',
  noun: 'channel-key',
  verb: 'certify',
  mutation: true,
  /** X25519 public key, 32 bytes base64url. */
  request: z.strictObject({ publicKey: z.string().length(43) }),
  reply: z.strictObject({ statement: z.string() }),
});
