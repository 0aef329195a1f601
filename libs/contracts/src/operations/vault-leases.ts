import { z } from 'zod';
import { principalName } from '../identity.js';
import { defineRpc } from '../rpc.js';
import { CREDENTIAL_TYPES } from '../credential-types.js';
import { credentialName, purpose, values } from '../credential-shapes.js';

// A lease is the right of one principal to use what was issued to it for a time. It is issued, may be renewed, and ends by being revoked or
// by expiring.

export const LEASE_KINDS = ['value', 'token'] as const;
export type LeaseKind = (typeof LEASE_KINDS)[number];
export const LEASE_STATES = ['live', 'revoked', 'expired'] as const;
export type LeaseState = (typeof LEASE_STATES)[number];

const timestamp = z.iso.datetime();
const ttlSeconds = z
  .int()
  .min(1)
  .max(366 * 86_400)
  .optional();

/** What is told of a lease; never what was issued. */
export const leaseMetadata = z.strictObject({
  leaseId: z.uuid(),
  principal: principalName,
  credentialId: z.uuid(),
  /** The version that was issued, or whose key signed. */
  version: z.int(),
  kind: z.enum(LEASE_KINDS),
  state: z.enum(LEASE_STATES),
  issuedAt: timestamp,
  expiresAt: timestamp,
  /** However often it is renewed, it ends by then. */
  maxExpiresAt: timestamp,
  endedAt: timestamp.nullable(),
});
export type LeaseMetadata = z.output<typeof leaseMetadata>;

/** Of the credential's type depends what is issued: a `jwt_signing_key` mints a token and stays in the vault, any other value is handed out. */
export const issueLease = defineRpc({
  name: 'issueLease',
  service: 'vault',
  noun: 'lease',
  verb: 'issue',
  mutation: true,
  request: z.strictObject({
    name: credentialName,
    /** Absent: the mesh's default. More than the mesh allows is cut down to that. */
    ttlSeconds,
    /** Token: whom it is for, its `aud` (RFC 7519 section 4.1.3). */
    audience: z.string().min(1).max(256).optional(),
    purpose: purpose.optional(),
  }),
  reply: z.strictObject({
    lease: leaseMetadata,
    type: z.enum(CREDENTIAL_TYPES),
    /** The credential's parts, or `token`: a signed JWT. */
    values,
  }),
});

/** Only by its principal. A renewed token is another one: the old ends at its own time. */
export const renewLease = defineRpc({
  name: 'renewLease',
  service: 'vault',
  noun: 'lease',
  verb: 'renew',
  mutation: true,
  request: z.strictObject({
    leaseId: z.uuid(),
    ttlSeconds,
    audience: z.string().min(1).max(256).optional(),
    purpose: purpose.optional(),
  }),
  reply: z.strictObject({
    lease: leaseMetadata,
    /** False: the credential has a newer version than was issued. Issue a new lease to get it. */
    isCurrent: z.boolean(),
    /** Token: the new one. */
    values: values.optional(),
  }),
});

/** By its principal, or by whoever may revoke leases. Revoking one that has ended changes nothing. */
export const revokeLease = defineRpc({
  name: 'revokeLease',
  service: 'vault',
  noun: 'lease',
  verb: 'revoke',
  mutation: true,
  request: z.strictObject({ leaseId: z.uuid() }),
  reply: z.strictObject({ lease: leaseMetadata }),
});

/** All live leases of a principal, or of a credential. */
export const revokeLeases = defineRpc({
  name: 'revokeLeases',
  service: 'vault',
  noun: 'lease',
  verb: 'revoke-all',
  mutation: true,
  request: z.union([z.strictObject({ principal: principalName }), z.strictObject({ name: credentialName })]),
  reply: z.strictObject({ revoked: z.int() }),
});

/** Live leases, newest first: one's own, or with the right to read leases those of others. */
export const listLeases = defineRpc({
  name: 'listLeases',
  service: 'vault',
  noun: 'lease',
  verb: 'list',
  request: z.strictObject({
    /** `*`: of everybody. Absent: one's own. */
    principal: z.union([principalName, z.literal('*')]).optional(),
    /** Also those that have ended lately. */
    ended: z.boolean().default(false),
    pageSize: z.int().min(1).max(1000).default(200),
    pageToken: z.uuid().optional(),
  }),
  reply: z.strictObject({ leases: z.array(leaseMetadata), nextPageToken: z.uuid().nullable() }),
});
