import { failure, type RequestOf, type updateCredential } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { credentialResource, type AskPolicy } from '../domain/access.js';
import { announceRecord } from '../domain/announcements.js';
import type { Audited } from '../domain/audit-trail.js';
import { applyUpdate, updatedFields } from '../domain/credential-update.js';
import { toMetadata, type Credential } from '../domain/credential.js';
import type { Mutations } from '../domain/mutations.js';
import { canonicalName } from '../domain/name.js';
import type { Lookup, MetadataIndex, PolicyPort } from '../domain/ports.js';
import { permitLookup, permitOn } from './permit.js';

export interface UpdateCredentialPorts {
  readonly audited: Audited;
  readonly index: Pick<MetadataIndex, 'findByName'>;
  readonly policy: Pick<PolicyPort, 'find'>;
  readonly askPolicy: AskPolicy;
  readonly mutations: Mutations;
  readonly clock: Clock;
}

/**
 * Changes what is known of a credential, never its value. Decided twice: on the credential as it is, and as it would be, so that nobody writes away
 * the tag or owner that a policy forbids by. Answered when every instance decides by what it now says.
 * @throws CREDENTIAL_NOT_FOUND (missing, or denied to somebody who may not describe it), DENIED, VERSION_CONFLICT (another revision),
 *   BAD_REQUEST (nothing to change, too many tags, an owner that there is not), STORE_UNAVAILABLE
 */
export function makeUpdateCredential(ports: UpdateCredentialPorts): Handler<typeof updateCredential> {
  const { audited, index, askPolicy, mutations, clock } = ports;
  return audited<typeof updateCredential>('credential.updated', async (request, call, attempt) => {
    const name = canonicalName(request.name);
    attempt.named(name);
    const question = { askPolicy, call, attempt, nowMs: clock.now() };
    const permit = (lookup: Lookup): Credential => permitLookup(question, 'update', { name }, lookup);
    permit(await index.findByName(name));
    checkRequest(ports, request);
    attempt.note({ fields: updatedFields(request) });
    return mutations.run(call, async (transaction) => {
      const existing = permit({ credential: await transaction.lockByName(name), stale: false });
      if (request.expectedRevision !== undefined && request.expectedRevision !== existing.revision) {
        throw failure('VERSION_CONFLICT', {
          publicMessage: 'The credential has another revision by now. Look at it again, then update it.',
        });
      }
      const change = { nowMs: clock.now(), revision: await transaction.nextRevision() };
      const updated = applyUpdate(existing, request, change);
      permitOn(question, 'update', credentialResource(updated, change.nowMs));
      await transaction.updateCredential(updated);
      attempt.about(updated);
      await announceRecord(transaction, attempt.success());
      const { credentialId } = updated;
      return {
        reply: toMetadata(updated, change.nowMs),
        changed: { credentialId, name, awaitEveryone: true },
      };
    });
  });
}

function checkRequest({ policy }: UpdateCredentialPorts, request: RequestOf<typeof updateCredential>): void {
  if (updatedFields(request) === '') {
    throw failure('BAD_REQUEST', { publicMessage: 'Name at least one thing to change.' });
  }
  if (request.owner !== undefined && policy.find(request.owner) === undefined) {
    throw failure('BAD_REQUEST', {
      publicMessage: 'There is no principal of this name to own it. See `keymesh principal list`.',
    });
  }
}
