import { failure, type RequestOf, type updateCredential } from '@keymesh/contracts';
import type { Credential } from './credential.js';
import type { Change } from './stages.js';

type Request = RequestOf<typeof updateCredential>;

/** As in a store. */
const MAX_TAGS = 32;

/** The columns that an update may change. */
type Updatable = Pick<
  Credential,
  'label' | 'description' | 'provider' | 'tags' | 'owner' | 'sensitivity' | 'rotation' | 'expiresAtMs'
>;

/**
 * The credential as this request wants it: absent stays, null is cleared.
 * @throws BAD_REQUEST for more than 32 tags. Pure.
 */
export function applyUpdate(credential: Credential, request: Request, change: Change): Credential {
  return {
    ...credential,
    ...wanted(credential, request),
    updatedAtMs: change.nowMs,
    revision: change.revision,
  };
}

/** Names of what an update speaks of, for the record: never what it was or is set to. */
export const updatedFields = (request: Request): string =>
  UPDATABLE.filter((field) => request[field] !== undefined).join(',');

const UPDATABLE = [
  'label',
  'description',
  'provider',
  'tags',
  'owner',
  'sensitivity',
  'rotation',
  'expiresAt',
] as const satisfies readonly (keyof Request)[];

function wanted(credential: Credential, request: Request): Partial<Updatable> {
  const { label, description, provider, tags, owner, sensitivity, rotation, expiresAt } = request;
  return {
    ...(label === undefined ? {} : { label }),
    ...(description === undefined ? {} : { description }),
    ...(provider === undefined ? {} : { provider }),
    ...(tags === undefined ? {} : { tags: wantedTags(credential.tags, tags) }),
    ...(owner === undefined ? {} : { owner }),
    ...(sensitivity === undefined ? {} : { sensitivity }),
    ...(rotation === undefined ? {} : { rotation }),
    ...(expiresAt === undefined ? {} : { expiresAtMs: expiresAt === null ? null : Date.parse(expiresAt) }),
  };
}

function wantedTags(
  tags: readonly string[],
  { set, add = [], remove = [] }: NonNullable<Request['tags']>,
): string[] {
  const left = [...new Set([...(set ?? tags), ...add])].filter((tag) => !remove.includes(tag));
  if (left.length > MAX_TAGS) {
    throw failure('BAD_REQUEST', {
      publicMessage: `A credential has at most ${String(MAX_TAGS)} tags. Remove some.`,
    });
  }
  return left.sort();
}
