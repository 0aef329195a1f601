import { z } from 'zod';
import {
  CREDENTIAL_STATUSES,
  credentialMetadata,
  credentialName,
  rotationSettings,
  SENSITIVITIES,
} from '../credential-shapes.js';
import { clientPrincipalName } from '../identity.js';
import { defineRpc } from '../rpc.js';
import { hasOne, nameOrId, ONE_OF_BOTH } from './name-or-id.js';

const timestamp = z.iso.datetime();
const tag = z.string().max(64);
const labelText = z.string().min(1).max(128);
/** Longest recovery window, in days. */
const MAX_RECOVERY_DAYS = 3_650;

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
