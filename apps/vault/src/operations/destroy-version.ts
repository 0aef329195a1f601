import { failure, type destroyVersion, type ReplyOf } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import type { AskPolicy } from '../domain/access.js';
import { announceRecord } from '../domain/announcements.js';
import type { Audited } from '../domain/audit-trail.js';
import { liveStageOf, type Credential, type CredentialVersion } from '../domain/credential.js';
import type { Mutations } from '../domain/mutations.js';
import { canonicalName } from '../domain/name.js';
import type { MetadataIndex } from '../domain/ports.js';
import { dropPrevious, wiped } from '../domain/stages.js';
import { permitLookup } from './permit.js';

export interface DestroyVersionPorts {
  readonly audited: Audited;
  readonly index: Pick<MetadataIndex, 'findByName'>;
  readonly askPolicy: AskPolicy;
  readonly mutations: Mutations;
  readonly clock: Clock;
}

type Reply = ReplyOf<typeof destroyVersion>;

/**
 * Destroys a previous or revoked version: its value, wrapped data key and fingerprint go from the row, and nobody can get them back. Answered when no
 * instance reveals it any more. Its number and data key id are never used again.
 * @throws CREDENTIAL_NOT_FOUND, DENIED, VERSION_NOT_FOUND, VERSION_IN_USE (current or pending), VERSION_DESTROYED (before), STORE_UNAVAILABLE
 */
export function makeDestroyVersion(ports: DestroyVersionPorts): Handler<typeof destroyVersion> {
  const { audited, index, askPolicy, mutations, clock } = ports;
  return audited<typeof destroyVersion>('version.destroyed', async (request, call, attempt) => {
    const name = canonicalName(request.name);
    const { version } = request;
    attempt.named(name);
    const question = { askPolicy, call, attempt, nowMs: clock.now() };
    permitLookup(question, 'destroy', { name }, await index.findByName(name), { version });
    const outcome = await mutations.run<Reply | typeof BEFORE>(call, async (transaction) => {
      const existing = permitLookup(
        question,
        'destroy',
        { name },
        { credential: await transaction.lockByName(name), stale: false },
        { version },
      );
      const { credentialId } = existing;
      attempt.about(existing, version);
      const changed = { credentialId, name, awaitEveryone: true };
      const found = await transaction.findVersion(credentialId, version);
      // Whoever destroyed it may have died before everybody knew, or is still waiting for them: what we say is true of all instances too.
      if ((found?.destroyedAtMs ?? null) !== null) return { reply: BEFORE, changed };
      const row = requireDestroyable(existing, found, version);
      const change = { nowMs: clock.now(), revision: await transaction.nextRevision() };
      await transaction.updateCredential(dropPrevious(existing, version, change));
      await transaction.updateVersion(wiped(row, 'revoked', change));
      attempt.about({ credentialId, revision: change.revision }, version);
      await announceRecord(transaction, attempt.success());
      const destroyedAt = new Date(change.nowMs).toISOString();
      return {
        reply: { credentialId, name, version, revision: change.revision, destroyedAt },
        changed,
      };
    });
    if ('destroyedBefore' in outcome) throw failure('VERSION_DESTROYED');
    return outcome;
  });
}

const BEFORE = { destroyedBefore: true } as const;

function requireDestroyable(
  credential: Credential,
  row: CredentialVersion | undefined,
  version: number,
): CredentialVersion {
  if (row === undefined) throw failure('VERSION_NOT_FOUND');
  const stage = liveStageOf(credential, version);
  if (stage === 'current') {
    throw failure('VERSION_IN_USE', {
      publicMessage:
        'This is the current version. Store or rotate to a new one first, or delete the credential.',
    });
  }
  if (stage === 'pending') {
    throw failure('VERSION_IN_USE', {
      publicMessage: 'This version belongs to a rotation that is under way. Wait until it has ended.',
    });
  }
  return row;
}
