import { z } from 'zod';
import { ACTIONS, PRINCIPAL_KINDS, ROLES, SERVICES } from './identity.js';

/** The policy request exactly as it was decided, so that it can be replayed against another bundle. */
export const policyRequest = z.strictObject({
  principal: z.strictObject({
    name: z.string(),
    kind: z.enum(PRINCIPAL_KINDS),
    roles: z.array(z.enum(ROLES)),
    /** Team, environment, networks and labels (`key=value`), as operators set them; absent: none of them. */
    attributes: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]))
      .optional(),
  }),
  action: z.enum(ACTIONS),
  resource: z.strictObject({
    kind: z.enum([
      'credential',
      'namespace',
      'principal',
      'policy',
      'audit-log',
      'finding',
      'channel-key',
      'rotation',
    ]),
    id: z.string(),
    /** Attributes that policies may read. Never the name. */
    attributes: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.array(z.string())])),
  }),
  context: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});
export type PolicyRequest = z.output<typeof policyRequest>;

/** A decision with the whole request that it answered. */
export const policyDecision = z.strictObject({
  effect: z.enum(['permit', 'forbid']),
  bundleVersion: z.int(),
  determiningPolicies: z.array(z.string()),
  errors: z.array(z.string()),
  request: policyRequest,
});

export const OUTCOMES = ['success', 'denied', 'failure'] as const;

/**
 * A leaf of the audit log. Its canonical JSON (RFC 8785) is what is hashed, at most 65,535 bytes.
 * Holds ids and commitments, never a credential's name, a personal field or a value.
 */
export const auditRecord = z.strictObject({
  v: z.literal(1),
  /** UUIDv7; the first occurrence counts. */
  id: z.uuid(),
  time: z.iso.datetime(),
  /** `<noun>.<past>`, e.g. `credential.retrieved`. */
  type: z.string().regex(/^[a-z][a-z-]*\.[a-z][a-z-]*$/),
  service: z.enum(SERVICES),
  instance: z.string(),
  outcome: z.enum(OUTCOMES),
  /** Error code of a denial or failure. */
  code: z.string().optional(),
  principal: z.string().optional(),
  /** Channel session id, 16 bytes hex. */
  session: z.string().optional(),
  requestId: z.string().optional(),
  traceparent: z.string().optional(),
  resource: z
    .strictObject({
      kind: z.string(),
      id: z.string().optional(),
      /** SHA-256 (hex) over length-prefixed salt and name; salt and name stand beside the leaf. */
      nameCommitment: z.string().optional(),
      version: z.int().optional(),
      revision: z.int().optional(),
    })
    .optional(),
  decision: policyDecision.optional(),
  /** Further facts: codes, counts, kinds. Never free text from a caller. */
  facts: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
});
export type AuditRecord = z.output<typeof auditRecord>;

/** Readable values that may be erased: `name` and `salt` (base64url) of `resource.nameCommitment`. */
export type Beside = Readonly<Record<string, string>>;

/** How the credential types of event map to OCSF activity: 1 create, 2 read, 3 update, 4 delete, 99 other. */
export const MAX_LEAF_BYTES = 65_535;
