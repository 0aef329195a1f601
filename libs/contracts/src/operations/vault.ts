import { z } from 'zod';
import {
  CREDENTIAL_STATUSES,
  credentialMetadata,
  credentialName,
  finding,
  purpose,
  rotationSettings,
  SENSITIVITIES,
  STAGES,
  values,
} from '../credential-shapes.js';
import { CREDENTIAL_TYPES, JWT_ALGORITHMS } from '../credential-types.js';
import { clientPrincipalName } from '../identity.js';
import { defineRpc } from '../rpc.js';

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
    purpose: purpose.optional(),
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
