import { z } from 'zod';
import { subjects } from './subjects.js';

const event = <T extends z.ZodType>(subject: string, schema: T) => ({ subject, schema });
const header = { eventId: z.uuid(), occurredAt: z.iso.datetime(), traceparent: z.string().optional() };

/** What a policy may be asked of a credential, without its name. */
const described = {
  credentialId: z.uuid(),
  version: z.int(),
  revision: z.int(),
  owner: z.string(),
  namespace: z.string(),
  type: z.string(),
  provider: z.string().nullable(),
  tags: z.array(z.string()),
};

/** Domain events between services: outbox → `keymesh.v1.evt.…`; consumers are idempotent by `eventId`. */
export const EVENTS = {
  /** A new current version exists, by store or rotation. */
  versionPromoted: event(
    subjects.event('vault', 'version', 'promoted'),
    z.strictObject({ ...header, ...described }),
  ),
  credentialDeleted: event(
    subjects.event('vault', 'credential', 'deleted'),
    z.strictObject({ ...header, credentialId: z.uuid(), revision: z.int() }),
  ),
  /** A lease was ended before its time. */
  leaseRevoked: event(
    subjects.event('vault', 'lease', 'revoked'),
    z.strictObject({ ...header, leaseId: z.uuid(), principal: z.string(), credentialId: z.uuid() }),
  ),
  /** A deletion was taken back: the same id, perhaps another name. */
  credentialRestored: event(
    subjects.event('vault', 'credential', 'restored'),
    z.strictObject({ ...header, ...described }),
  ),
  /** Once each at 30, 14, 7 and 1 days before the current version expires. */
  credentialExpiring: event(
    subjects.event('vault', 'credential', 'expiring'),
    z.strictObject({ ...header, ...described, expiresAt: z.iso.datetime(), daysBefore: z.int() }),
  ),
  /** Once, when it has expired. */
  credentialExpired: event(
    subjects.event('vault', 'credential', 'expired'),
    z.strictObject({ ...header, ...described, expiresAt: z.iso.datetime() }),
  ),
  /** A tree head of the audit log was signed. Kept apart from the ledger's database, so that a restored copy cannot sign another history. */
  checkpointSigned: event(
    subjects.event('audit', 'checkpoint', 'signed'),
    z.strictObject({ ...header, size: z.int(), checkpoint: z.string(), verifierKey: z.string() }),
  ),
} as const;
export type LeaseRevoked = z.output<(typeof EVENTS)['leaseRevoked']['schema']>;
export type VersionPromoted = z.output<(typeof EVENTS)['versionPromoted']['schema']>;

/** What a principal is told on `keymesh.v1.push.<principal>.credential.rotated`: an id, never a name or value. A hint: it asks the vault. */
export const credentialRotatedPush = z.strictObject({
  credentialId: z.uuid(),
  version: z.int(),
  revision: z.int(),
});
export type CredentialRotatedPush = z.output<typeof credentialRotatedPush>;

/** What a principal is told on `keymesh.v1.push.<principal>.lease.revoked`: a hint, as every push. It asks the vault. */
export const leaseRevokedPush = z.strictObject({ leaseId: z.uuid() });
export type LeaseRevokedPush = z.output<typeof leaseRevokedPush>;
