import { EVENTS, subjects } from '@keymesh/contracts';
import { utf8 } from '@keymesh/kernel';
import { encodeLeaf, type Call } from '@keymesh/mesh';
import canonicalize from 'canonicalize';
import { v7 as uuidv7 } from 'uuid';
import type { z } from 'zod';
import type { Written } from './audit-trail.js';
import type { Credential } from './credential.js';
import type { Lease } from './leases.js';
import type { ExpiryNotice } from './expiry.js';
import type { MutationTransaction } from './mutations.js';

/** A transaction, as far as something leaves with it. */
export type Announcing = Pick<MutationTransaction, 'announce'>;

/** Puts the audit record of a mutation into its own transaction: it is recorded if, and only if, it happened. */
export const announceRecord = (
  transaction: Pick<MutationTransaction, 'announce'>,
  { record, beside }: Written,
): Promise<void> =>
  transaction.announce({
    kind: 'journal',
    id: record.id,
    subject: subjects.journal('vault'),
    payload: encodeLeaf(record),
    beside,
  });

/** Tells the other services that a credential has a new current version. Ids and attributes, never a name or value. */
export function announcePromoted(
  transaction: MutationTransaction,
  credential: Credential,
  call: Call,
  nowMs: number,
): Promise<void> {
  return announceEvent(transaction, EVENTS.versionPromoted, {
    ...eventHeader(call, nowMs),
    ...described(credential),
  });
}

/** Tells the other services that a credential is gone. */
export function announceDeleted(
  transaction: MutationTransaction,
  credential: Credential,
  call: Call,
  nowMs: number,
): Promise<void> {
  const { credentialId, revision } = credential;
  return announceEvent(transaction, EVENTS.credentialDeleted, {
    ...eventHeader(call, nowMs),
    credentialId,
    revision,
  });
}

/** Tells the other services that a lease was ended before its time; rotation tells its principal. */
export function announceLeaseRevoked(
  transaction: Announcing,
  { leaseId, principal, credentialId }: Lease,
  call: Pick<Call, 'traceparent'>,
  nowMs: number,
): Promise<void> {
  return announceEvent(transaction, EVENTS.leaseRevoked, {
    ...eventHeader(call, nowMs),
    ...{ leaseId, principal, credentialId },
  });
}

/** Tells the other services that a deletion was taken back. */
export function announceRestored(
  transaction: MutationTransaction,
  credential: Credential,
  call: Call,
  nowMs: number,
): Promise<void> {
  return announceEvent(transaction, EVENTS.credentialRestored, {
    ...eventHeader(call, nowMs),
    ...described(credential),
  });
}

/** Tells the other services that a credential expires soon, or has. */
export function announceExpiry(
  transaction: MutationTransaction,
  credential: Credential,
  { expiresAtMs, daysBefore }: ExpiryNotice,
  nowMs: number,
): Promise<void> {
  const content = {
    ...eventHeader({ traceparent: undefined }, nowMs),
    ...described(credential),
    expiresAt: new Date(expiresAtMs).toISOString(),
  };
  return daysBefore === 0
    ? announceEvent(transaction, EVENTS.credentialExpired, content)
    : announceEvent(transaction, EVENTS.credentialExpiring, { ...content, daysBefore });
}

const described = (credential: Credential) => {
  const { credentialId, currentVersion: version, revision, owner, namespace, type, provider } = credential;
  return { credentialId, version, revision, owner, namespace, type, provider, tags: [...credential.tags] };
};

const eventHeader = ({ traceparent }: Pick<Call, 'traceparent'>, nowMs: number) => ({
  eventId: uuidv7(),
  occurredAt: new Date(nowMs).toISOString(),
  ...(traceparent === undefined ? {} : { traceparent }),
});

function announceEvent<Schema extends z.ZodType<{ eventId: string }>>(
  transaction: Announcing,
  { subject, schema }: { readonly subject: string; readonly schema: Schema },
  content: z.input<Schema>,
): Promise<void> {
  const event = schema.parse(content);
  return transaction.announce({
    kind: 'event',
    id: event.eventId,
    subject,
    payload: utf8(canonicalize(event) ?? ''),
  });
}
