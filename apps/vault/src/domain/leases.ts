import type { LeaseKind, LeaseMetadata, LeaseState } from '@keymesh/contracts';
import { failure } from '@keymesh/contracts';
import type { Call } from '@keymesh/mesh';
import type { Credential } from './credential.js';
import { liveStageOf, statusOf } from './credential.js';
import type { Announcement } from './mutations.js';

/** The right of one principal to use what was issued to it, for a time. Times in milliseconds since the epoch. */
export interface Lease {
  readonly leaseId: string;
  readonly principal: string;
  readonly credentialId: string;
  readonly version: number;
  readonly kind: LeaseKind;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  readonly maxExpiresAtMs: number;
  readonly endedAtMs: number | null;
  readonly end: Exclude<LeaseState, 'live'> | null;
}

/** How long leases are, and how many a principal may hold. */
export interface LeaseLimits {
  readonly defaultTtlSeconds: number;
  readonly maxTtlSeconds: number;
  readonly maxPerPrincipal: number;
}

/** A lease has ended when somebody said so or its time is over, whichever the row knows first. */
export function stateOf({ end, expiresAtMs }: Lease, nowMs: number): LeaseState {
  return end ?? (nowMs < expiresAtMs ? 'live' : 'expired');
}

/** When a lease that is issued or renewed now ends: never after its last moment. */
export const expiryOf = (
  nowMs: number,
  ttlSeconds: number | undefined,
  limits: LeaseLimits,
  maxExpiresAtMs: number,
): number => Math.min(nowMs + (ttlSeconds ?? limits.defaultTtlSeconds) * 1_000, maxExpiresAtMs);

/** A lease that begins now. */
export function draftLease(
  lease: Pick<Lease, 'leaseId' | 'principal' | 'credentialId' | 'version' | 'kind'>,
  nowMs: number,
  ttlSeconds: number | undefined,
  limits: LeaseLimits,
): Lease {
  const maxExpiresAtMs = nowMs + limits.maxTtlSeconds * 1_000;
  const expiresAtMs = expiryOf(nowMs, ttlSeconds, limits, maxExpiresAtMs);
  return { ...lease, issuedAtMs: nowMs, expiresAtMs, maxExpiresAtMs, endedAtMs: null, end: null };
}

/** @throws CREDENTIAL_INACTIVE, CREDENTIAL_EXPIRED: nothing is issued of a credential that is not to be used. */
export function refuseUnusable(credential: Credential, nowMs: number): void {
  const status = statusOf(credential, nowMs);
  if (status === 'inactive') throw failure('CREDENTIAL_INACTIVE');
  if (status === 'expired') throw failure('CREDENTIAL_EXPIRED');
}

/** @throws LEASE_EXPIRED when the lease has ended, or its version is handed to nobody any more. */
export function refuseEnded(lease: Lease, credential: Credential, nowMs: number): void {
  if (stateOf(lease, nowMs) !== 'live') throw failure('LEASE_EXPIRED');
  const stage = liveStageOf(credential, lease.version);
  if (stage !== 'current' && stage !== 'previous') {
    throw failure('LEASE_EXPIRED', {
      publicMessage: 'The version of this lease is no longer in use. Issue a new lease.',
    });
  }
}

/** What is told of it. */
export const toLeaseMetadata = (lease: Lease, nowMs: number): LeaseMetadata => ({
  leaseId: lease.leaseId,
  principal: lease.principal,
  credentialId: lease.credentialId,
  version: lease.version,
  kind: lease.kind,
  state: stateOf(lease, nowMs),
  issuedAt: new Date(lease.issuedAtMs).toISOString(),
  expiresAt: new Date(lease.expiresAtMs).toISOString(),
  maxExpiresAt: new Date(lease.maxExpiresAtMs).toISOString(),
  endedAt: lease.endedAtMs === null ? null : new Date(lease.endedAtMs).toISOString(),
});

/** Whose leases, or of which credential. */
export type LeaseFilter = { readonly principal: string } | { readonly credentialId: string };

/** Rows of leases within one transaction. Every read checks the row's HMAC (CREDENTIAL_DAMAGED) and locks the row. */
export interface LeaseRows {
  /** Nobody else issues to this principal until the transaction ends. @returns how many live leases it holds. */
  countLive(principal: string, nowMs: number): Promise<number>;
  insert(lease: Lease): Promise<void>;
  lock(leaseId: string): Promise<Lease | undefined>;
  update(lease: Lease): Promise<void>;
  /** The live ones, locked; at most `limit`. */
  lockLive(filter: LeaseFilter, nowMs: number, limit: number): Promise<readonly Lease[]>;
  announce(announcement: Announcement): Promise<void>;
}

/** Runs mutations of leases: one transaction each, once per (principal, request id). The work must not hold a Secret in its reply. */
export interface LeaseMutations {
  run<Reply extends object>(call: Call, work: (rows: LeaseRows) => Promise<Reply>): Promise<Reply>;
}

/** Leases as they are listed, newest first. @throws STORE_UNAVAILABLE */
export type ListLeases = (filter: {
  readonly principal: string | undefined;
  readonly ended: boolean;
  readonly before: string | undefined;
  readonly limit: number;
  readonly nowMs: number;
}) => Promise<readonly Lease[]>;
