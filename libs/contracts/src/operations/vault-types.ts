import { z } from 'zod';
import { CREDENTIAL_TYPES, PART_FORMATS } from '../credential-types.js';
import { defineRpc } from '../rpc.js';
import { finding, ROTATION_ADAPTERS, values } from '../credential-shapes.js';

const namespace = z
  .string()
  .max(512)
  .regex(/^[a-z0-9][a-z0-9._-]*(\/[a-z0-9][a-z0-9._-]*)*$/, 'a namespace is lower-case names with / between');

export const typePart = z.strictObject({
  name: z.string(),
  /** What it is, for whoever is asked for it. */
  summary: z.string(),
  /** A part that is not secret is stored encrypted all the same; it may be shown when it is typed. */
  secret: z.boolean(),
  required: z.boolean(),
  maxBytes: z.int(),
  format: z.enum(PART_FORMATS),
});

export const typeDescription = z.strictObject({
  type: z.enum(CREDENTIAL_TYPES),
  summary: z.string(),
  parts: z.array(typePart),
  /** The part that is meant by "the value". */
  primaryPart: z.string(),
  /** The parts that the vault makes with `generate`; empty where only the provider can issue one. */
  generates: z.array(z.string()),
  rotationAdapters: z.array(z.enum(ROTATION_ADAPTERS)),
  /** Whether its expiry is read from the value. */
  readsExpiry: z.boolean(),
  compressed: z.boolean(),
});
export type TypeDescription = z.output<typeof typeDescription>;

export const STRICTNESSES = ['enforce', 'warn', 'off'] as const;

/** What becomes of an expired value: handed out and marked as expired, or refused (CREDENTIAL_EXPIRED). */
export const AT_EXPIRY = ['serve', 'refuse'] as const;

/** What the credential policy asks of the values of one type in one namespace. */
export const effectiveCredentialPolicy = z.strictObject({
  minLengthChars: z.int(),
  minEntropyBits: z.number(),
  /** Null: a version does not grow old. */
  maxAgeDays: z.number().nullable(),
  rotationIntervalDays: z.number(),
  atExpiry: z.enum(AT_EXPIRY),
  rules: z.record(z.string(), z.enum(STRICTNESSES)),
});

/** What credential types there are. The same for everybody: facts of the program, not of the mesh. */
export const listTypes = defineRpc({
  name: 'listTypes',
  service: 'vault',
  noun: 'type',
  verb: 'list',
  request: z.strictObject({}),
  reply: z.strictObject({ types: z.array(typeDescription) }),
});

/** One type, with the policy that holds for it in a namespace. */
export const describeType = defineRpc({
  name: 'describeType',
  service: 'vault',
  noun: 'type',
  verb: 'describe',
  request: z.strictObject({ type: z.string().max(64), namespace: namespace.default('default') }),
  reply: z.strictObject({ ...typeDescription.shape, policy: effectiveCredentialPolicy }),
});

/** 0 to 100; null where nothing about the value can be judged. */
export const qualityScore = z.int().min(0).max(100).nullable();

/**
 * Judges a value as a store would, and stores nothing. Whether it is used elsewhere is not told here: a guess could be tried without
 * leaving a credential behind.
 */
export const checkQuality = defineRpc({
  name: 'checkQuality',
  service: 'vault',
  noun: 'quality',
  verb: 'check',
  request: z.strictObject({
    type: z.string().max(64),
    values,
    namespace: namespace.default('default'),
    provider: z.string().max(128).optional(),
  }),
  reply: z.strictObject({
    score: qualityScore,
    /** Errors first. With an error a store would refuse the value. */
    findings: z.array(finding),
    /** Read from the value, where its type can. */
    expiresAt: z.iso.datetime().nullable(),
    /** What may be said of it without being secret, e.g. the names in a certificate. */
    facts: z.record(z.string(), z.string()),
  }),
});
