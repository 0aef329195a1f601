import {
  credentialRotatedPush,
  leaseRevokedPush,
  subjects,
  type CredentialRotatedPush,
  type LeaseRevoked,
  type LeaseRevokedPush,
  type VersionPromoted,
} from '@keymesh/contracts';
import { insertOutbox, transact } from '@keymesh/postgres';
import type { CurrentPolicy } from '@keymesh/service-kit';
import { policyPrincipal } from '@keymesh/policy-engine';
import { v7 as uuidv7 } from 'uuid';
import type { DataSource, EntityManager } from 'typeorm';
import { readRequest } from '../domain/policy-requests.js';
import { findHolders, forgetHolders } from '../store/holders.js';

/** @returns whether the event is new; then it is marked as had, within the caller's transaction. */
async function takeEvent(manager: EntityManager, eventId: string): Promise<boolean> {
  const rows = await manager.query<unknown[]>(
    'INSERT INTO processed_event (event_id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING 1',
    [eventId],
  );
  return rows.length === 1;
}

/** Whether a principal may read the credential now. Who lost the right is told nothing, not even that there is a new version. */
function mayRead({ engine, directory }: CurrentPolicy, principal: string, event: VersionPromoted): boolean {
  const entry = directory.find(principal);
  if (entry === undefined) return false;
  return engine.decide(readRequest(policyPrincipal(entry), event)).effect === 'permit';
}

/**
 * Tells every principal that holds a credential, and may read it now, that it has a new version: once for an event, by the outbox.
 * @returns how many are told. @throws STORE_UNAVAILABLE
 */
export const pushPromotion = (
  dataSource: DataSource,
  policy: CurrentPolicy,
  event: VersionPromoted,
): Promise<number> =>
  transact(dataSource, async (manager) => {
    if (!(await takeEvent(manager, event.eventId))) return 0;
    const holders = await findHolders(manager, event.credentialId);
    const readers = holders.filter((principal) => mayRead(policy, principal, event));
    const { credentialId, version, revision } = event;
    const body: CredentialRotatedPush = credentialRotatedPush.parse({ credentialId, version, revision });
    for (const principal of readers) {
      await insertOutbox(manager, {
        kind: 'push',
        id: uuidv7(),
        subject: subjects.push(principal, 'credential', 'rotated'),
        payload: Buffer.from(JSON.stringify(body), 'utf8'),
      });
    }
    return readers.length;
  });

/** Tells a principal that a lease of its was ended, once for an event, by the outbox. */
export const pushLeaseRevoked = (
  dataSource: DataSource,
  { eventId, principal, leaseId }: LeaseRevoked,
): Promise<void> =>
  transact(dataSource, async (manager) => {
    if (!(await takeEvent(manager, eventId))) return;
    const body: LeaseRevokedPush = leaseRevokedPush.parse({ leaseId });
    await insertOutbox(manager, {
      kind: 'push',
      id: uuidv7(),
      subject: subjects.push(principal, 'lease', 'revoked'),
      payload: Buffer.from(JSON.stringify(body), 'utf8'),
    });
  });

/** A deleted credential has no holders. */
export const forgetDeleted = (
  dataSource: DataSource,
  { eventId, credentialId }: { eventId: string; credentialId: string },
): Promise<void> =>
  transact(dataSource, async (manager) => {
    if (await takeEvent(manager, eventId)) await forgetHolders(manager, credentialId);
  });
