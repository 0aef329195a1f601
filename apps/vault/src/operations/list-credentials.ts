import { setImmediate } from 'node:timers/promises';
import { failure, type listCredentials, type RequestOf } from '@keymesh/contracts';
import { fromBase64Url, fromUtf8, toBase64Url, utf8, type Clock } from '@keymesh/kernel';
import type { Call, Handler } from '@keymesh/mesh';
import { credentialResource, namespaceResource, type AskPolicy } from '../domain/access.js';
import type { Audited } from '../domain/audit-trail.js';
import { toMetadata, type Credential } from '../domain/credential.js';
import type { MetadataIndex } from '../domain/ports.js';
import { permitOn } from './permit.js';

export interface ListCredentialsPorts {
  readonly audited: Audited;
  readonly index: Pick<MetadataIndex, 'listByName'>;
  readonly askPolicy: AskPolicy;
  readonly clock: Clock;
}

type Filter = RequestOf<typeof listCredentials>;
// A first decision costs about 100 µs: let other requests in between.
const DECISIONS_IN_A_ROW = 50;

/**
 * Credentials that the caller may describe, by name, a page at a time.
 * @throws DENIED for who may not list at all, BAD_REQUEST for a page token that is not ours, STORE_UNAVAILABLE, AUDIT_UNAVAILABLE
 */
export function makeListCredentials(ports: ListCredentialsPorts): Handler<typeof listCredentials> {
  const { audited, index, askPolicy, clock } = ports;
  return audited<typeof listCredentials>('credential.listed', async (filter, call, attempt) => {
    const nowMs = clock.now();
    permitOn({ askPolicy, call, attempt, nowMs }, 'list', namespaceResource(filter.namespace ?? '*'));
    const after = readPageToken(filter.pageToken);
    const { credentials, stale } = await index.listByName();
    const candidates = credentials.filter(
      (credential) => credential.name > after && matches(credential, filter),
    );
    const page = await describable(candidates, filter.pageSize + 1, (credential) =>
      mayDescribe(ports, call, credential, nowMs),
    );
    const shown = page.slice(0, filter.pageSize);
    attempt.note({ credentials: shown.length, ...(stale ? { stale } : {}) });
    await attempt.succeeded();
    const last = shown.at(-1);
    return {
      credentials: shown.map((credential) => toMetadata(credential, nowMs)),
      nextPageToken: page.length > shown.length && last !== undefined ? toBase64Url(utf8(last.name)) : null,
    };
  });
}

const mayDescribe = (
  { askPolicy }: ListCredentialsPorts,
  call: Call,
  credential: Credential,
  nowMs: number,
): boolean => askPolicy(call, 'describe', credentialResource(credential, nowMs)).permitted;

const matches = (credential: Credential, { namespace, type, provider, tag }: Filter): boolean =>
  (namespace === undefined ||
    credential.namespace === namespace ||
    credential.namespace.startsWith(`${namespace}/`)) &&
  (type === undefined || credential.type === type) &&
  (provider === undefined || credential.provider === provider) &&
  (tag === undefined || credential.tags.includes(tag));

/** The first `limit` that pass, in order. */
export async function describable(
  candidates: readonly Credential[],
  limit: number,
  passes: (credential: Credential) => boolean,
): Promise<Credential[]> {
  const found: Credential[] = [];
  for (const [at, credential] of candidates.entries()) {
    if (found.length === limit) break;
    if (at > 0 && at % DECISIONS_IN_A_ROW === 0) await setImmediate();
    if (passes(credential)) found.push(credential);
  }
  return found;
}

/** The name after which the page begins; names sort by their code units. */
function readPageToken(token: string | undefined): string {
  if (token === undefined) return '';
  const bytes = fromBase64Url(token);
  try {
    if (bytes !== undefined) return fromUtf8(bytes);
  } catch {
    // Not UTF-8: not ours.
  }
  throw failure('BAD_REQUEST', {
    publicMessage: 'pageToken is not one that listCredentials gave. Begin without it.',
  });
}
