import { servicePrincipal, type AuditRecord } from '@keymesh/contracts';
import { SECOND, type Clock } from '@keymesh/kernel';
import type { Call } from '@keymesh/mesh';
import { v7 as uuidv7 } from 'uuid';
import { commitToName, type Written } from './audit-trail.js';
import type { Credential } from './credential.js';
import { systemRecord, type SystemRecorder } from './system-record.js';

/** The record of what the vault has done to a credential by itself, because its time had come. Its name stands beside, as ever. */
export function lifecycleRecord(
  recorder: SystemRecorder,
  type: `credential.${string}`,
  credential: Credential,
  facts: NonNullable<AuditRecord['facts']>,
): Written {
  const { digest, beside } = commitToName(credential.name);
  const { credentialId: id, revision, currentVersion: version } = credential;
  const resource = { kind: 'credential', id, version, revision, nameCommitment: digest };
  return { ...systemRecord(recorder, { type, resource, facts }), beside };
}

/** A call of the vault to itself, as mutations want one. Its request id is new, so it is never a repeat. */
export const callOfVault = (clock: Clock): Call => ({
  principal: servicePrincipal('vault'),
  sessionId: undefined,
  requestId: uuidv7(),
  deadlineAt: clock.monotonic() + 30 * SECOND,
  traceparent: undefined,
  channel: 'encrypted',
});
