import { failure, type Action } from '@keymesh/contracts';
import type { KeymeshError } from '@keymesh/kernel';
import type { Call } from '@keymesh/mesh';
import {
  credentialResource,
  namespaceResource,
  type AskPolicy,
  type PolicyResource,
} from '../domain/access.js';
import type { Attempt } from '../domain/audit-trail.js';
import type { Credential } from '../domain/credential.js';
import { canonicalName, namespaceOf } from '../domain/name.js';
import type { DeletedCredentials, Lookup, MetadataIndex } from '../domain/ports.js';

/** Who wants to do something, and the record that is being made of it. */
export interface Question {
  readonly askPolicy: AskPolicy;
  readonly call: Call;
  readonly attempt: Attempt;
  readonly nowMs: number;
}

/** By what a credential was asked for. */
export type Asked = { readonly name: string } | { readonly credentialId: string };

/** What a request with a name or an id asks for; its contract lets just one of them through. */
export function askedOf({
  name,
  credentialId,
}: {
  readonly name?: string | undefined;
  readonly credentialId?: string | undefined;
}): Asked {
  if (credentialId !== undefined) return { credentialId };
  if (name !== undefined) return { name: canonicalName(name) };
  throw failure('BAD_REQUEST', { publicMessage: 'Give either name or credentialId.' });
}

/** By name what lives, by id also what was deleted: its name may be another's by now. @throws STORE_UNAVAILABLE, CREDENTIAL_DAMAGED */
export async function findAlsoDeleted(
  {
    index,
    deleted,
  }: {
    readonly index: Pick<MetadataIndex, 'findByName' | 'findById'>;
    readonly deleted: Pick<DeletedCredentials, 'findById'>;
  },
  asked: Asked,
): Promise<Lookup> {
  if ('name' in asked) return index.findByName(asked.name);
  const lookup = await index.findById(asked.credentialId);
  if (lookup.credential !== undefined || lookup.stale) return lookup;
  return { credential: await deleted.findById(asked.credentialId), stale: false };
}

/** What is not there is decided as its namespace, or as a credential of which nothing is known. */
const absentResource = (asked: Asked): PolicyResource =>
  'name' in asked
    ? namespaceResource(namespaceOf(asked.name))
    : { kind: 'credential', id: asked.credentialId, attributes: {} };

/**
 * The credential that was looked up, if the caller may do this to it.
 *
 * INVARIANT: denied and missing answer with the same failure, unless the caller may describe it (DENIED). Both are decided, recorded with
 * the truth, and wait for the journal. While Postgres is away nobody can know that a name is missing, so both are STORE_UNAVAILABLE.
 */
export function permitLookup(
  question: Question,
  action: Action,
  asked: Asked,
  { credential, stale }: Lookup,
): Credential {
  const { attempt } = question;
  if (stale) attempt.note({ stale });
  const hidden = (): KeymeshError => failure(stale ? 'STORE_UNAVAILABLE' : 'CREDENTIAL_NOT_FOUND');
  if (credential === undefined) {
    const absent = absentResource(asked);
    if (!asks(question, action, absent)) describes(question, action, absent);
    throw hidden();
  }
  attempt.about(credential);
  const resource = credentialResource(credential, question.nowMs);
  if (asks(question, action, resource)) return credential;
  throw attempt.denied(describes(question, action, resource) ? failure('DENIED') : hidden());
}

/** Passes, or throws DENIED: where there is nothing to hide but the right itself. */
export function permitOn(question: Question, action: Action, resource: PolicyResource): void {
  if (!asks(question, action, resource)) throw question.attempt.denied(failure('DENIED'));
}

function asks({ askPolicy, call, attempt }: Question, action: Action, resource: PolicyResource): boolean {
  const access = askPolicy(call, action, resource);
  attempt.decided(access);
  return access.permitted;
}

const describes = ({ askPolicy, call }: Question, action: Action, resource: PolicyResource): boolean =>
  action !== 'describe' && askPolicy(call, 'describe', resource).permitted;
