import { z } from 'zod';
import { secretBytes } from './codec.js';
import { CREDENTIAL_TYPES } from './credential-types.js';

// What the vault's operations say of credentials and their values, in requests and replies alike.

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

/** What the asker says it wants a value for: a claim, for policies and for the record. */
export const purpose = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/, 'a purpose is up to 63 of A-Z a-z 0-9 . _ / -');

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
