import { failure, type Action, type PolicyRequest } from '@keymesh/contracts';
import type { KeymeshError } from '@keymesh/kernel';
import type { Call } from '@keymesh/mesh';
import { approvalRequired } from '@keymesh/policy-engine';
import {
  credentialResource,
  namespaceResource,
  type Access,
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
 * @param selects what of it is wanted (version, stage, purpose), as policies and approvers see it.
 *
 * INVARIANT: denied and missing answer with the same failure, unless the caller may describe it (DENIED, or APPROVAL_REQUIRED where
 * approvals would turn it). Both are decided, recorded with the truth, and wait for the journal. While Postgres is away nobody can know that a name is missing, so both are STORE_UNAVAILABLE.
 */
export function permitLookup(
  question: Question,
  action: Action,
  asked: Asked,
  { credential, stale }: Lookup,
  selects?: PolicyRequest['context'],
): Credential {
  const { attempt } = question;
  if (stale) attempt.note({ stale });
  const hidden = (): KeymeshError => failure(stale ? 'STORE_UNAVAILABLE' : 'CREDENTIAL_NOT_FOUND');
  if (credential === undefined) {
    const absent = absentResource(asked);
    if (!asks(question, action, absent, selects).permitted) describes(question, action, absent);
    throw hidden();
  }
  attempt.about(credential);
  const resource = credentialResource(credential, question.nowMs);
  const access = asks(question, action, resource, selects);
  if (access.permitted) return credential;
  throw attempt.denied(describes(question, action, resource) ? refusalOf(access, attempt) : hidden());
}

/** Passes, or throws DENIED or APPROVAL_REQUIRED: where there is nothing to hide but the right itself. */
export function permitOn(question: Question, action: Action, resource: PolicyResource): void {
  const access = asks(question, action, resource);
  if (access.permitted) return;
  const told = describes(question, action, resource)
    ? refusalOf(access, question.attempt)
    : failure('DENIED');
  throw question.attempt.denied(told);
}

/** INVARIANT: only for who may describe the resource: to others nothing of the policies on it is told. */
function refusalOf({ approvalsToTurn }: Access, attempt: Attempt): KeymeshError {
  const approvals = approvalsToTurn();
  if (approvals === undefined) return failure('DENIED');
  attempt.note({ approvalsNeeded: approvals.needed, requestDigest: approvals.requestDigest });
  return approvalRequired(approvals);
}

function asks(
  { askPolicy, call, attempt }: Question,
  action: Action,
  resource: PolicyResource,
  selects?: PolicyRequest['context'],
): Access {
  const access = askPolicy(call, action, resource, selects);
  attempt.decided(access);
  return access;
}

const describes = ({ askPolicy, call }: Question, action: Action, resource: PolicyResource): boolean =>
  action !== 'describe' && askPolicy(call, 'describe', resource).permitted;
