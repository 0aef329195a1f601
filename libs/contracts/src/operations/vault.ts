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
import { defineRpc } from '../rpc.js';
import { hasOne, nameOrId, ONE_OF_BOTH } from './name-or-id.js';

const timestamp = z.iso.datetime();
const tag = z.string().max(64);

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
