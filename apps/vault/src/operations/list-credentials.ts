import { setImmediate } from 'node:timers/promises';
import { failure, type CredentialMetadata, type listCredentials } from '@keymesh/contracts';
import { fromBase64Url, fromUtf8, toBase64Url, utf8, type Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { credentialResource, namespaceResource, type AskPolicy } from '../domain/access.js';
import type { Audited } from '../domain/audit-trail.js';
import { makeFilter } from '../domain/credential-filter.js';
import { toMetadata, type Credential } from '../domain/credential.js';
import type { DeletedCredentials, MetadataIndex } from '../domain/ports.js';
import { permitOn } from './permit.js';

export interface ListCredentialsPorts {
  readonly audited: Audited;
  readonly index: Pick<MetadataIndex, 'listByName'>;
  readonly deleted: Pick<DeletedCredentials, 'listByName'>;
  readonly askPolicy: AskPolicy;
  readonly clock: Clock;
}

// A first decision costs about 100 µs: let other requests in between.
const DECISIONS_IN_A_ROW = 50;
/** A page ends early before its JSON is longer: a message has at most 900 KiB. */
const MAX_PAGE_CHARS = 512 * 1024;

/**
 * Credentials that the caller may describe, by name, a page at a time. Living ones come from memory; deleted ones, which only `status` asks for, from Postgres.
 * @throws DENIED for who may not list at all, BAD_REQUEST for a page token that is not ours, STORE_UNAVAILABLE, AUDIT_UNAVAILABLE
 */
export function makeListCredentials(ports: ListCredentialsPorts): Handler<typeof listCredentials> {
  const { audited, index, deleted, askPolicy, clock } = ports;
  return audited<typeof listCredentials>('credential.listed', async (filter, call, attempt) => {
    const nowMs = clock.now();
    permitOn({ askPolicy, call, attempt, nowMs }, 'list', namespaceResource(filter.namespace ?? '*'));
    const after = readPageToken(filter.pageToken);
    const { credentials, stale } =
      filter.status === 'deleted'
        ? { credentials: await deleted.listByName(), stale: false }
        : await index.listByName();
    const matches = makeFilter(filter, nowMs);
    const found = await describable(
      credentials.filter((credential) => placeOf(credential) > after && matches(credential)),
      filter.pageSize + 1,
      (credential) => askPolicy(call, 'describe', credentialResource(credential, nowMs)).permitted,
    );
    const shown = firstPage(
      found.slice(0, filter.pageSize).map((credential) => toMetadata(credential, nowMs)),
    );
    attempt.note({ credentials: shown.length, ...(stale ? { stale } : {}) });
    await attempt.succeeded();
    const last = found[shown.length - 1];
    return {
      credentials: shown,
      nextPageToken:
        found.length > shown.length && last !== undefined ? toBase64Url(utf8(placeOf(last))) : null,
      stale,
    };
  });
}

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

/** As many as fit, at least one. */
function firstPage(credentials: CredentialMetadata[]): CredentialMetadata[] {
  let chars = 0;
  const tooMany = credentials.findIndex((credential, at) => {
    chars += JSON.stringify(credential).length;
    return at > 0 && chars > MAX_PAGE_CHARS;
  });
  return tooMany === -1 ? credentials : credentials.slice(0, tooMany);
}

// Living names are unique; of deleted ones several may have one. A space sorts before everything that a name can hold.
const placeOf = ({ name, credentialId, deletedAtMs }: Credential): string =>
  deletedAtMs === null ? name : `${name} ${credentialId}`;

/** The place after which the page begins; places sort by their code units. */
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
