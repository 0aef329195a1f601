import { failure, type CredentialType, type RequestOf, type storeCredential } from '@keymesh/contracts';
import type { Credential, RotationSettings } from './credential.js';
import { canonicalName, namespaceOf } from './name.js';
import type { Values } from './parts.js';
import type { CredentialTypePlugin } from './types/plugin.js';

type Request = RequestOf<typeof storeCredential>;

/** The value to store: what was sent, and the primary part made here with `generate`. The caller disposes `generated`. */
export function assembleValues(
  plugin: CredentialTypePlugin,
  request: Request,
): { values: Values; generated: Values } {
  const given = request.values ?? {};
  if (request.generate === undefined) return { values: given, generated: {} };
  if (Object.hasOwn(given, plugin.primaryPart)) {
    throw failure('CREDENTIAL_VALUES_INVALID', {
      publicMessage: `With generate, the part ${plugin.primaryPart} is made by Keymesh: do not send one.`,
    });
  }
  const generated = { [plugin.primaryPart]: plugin.generate(request.generate.lengthChars) };
  return { values: { ...given, ...generated }, generated };
}

/** A credential that is not there yet, with its first version as current. */
export function draftCredential(
  request: Request,
  made: {
    readonly credentialId: string;
    readonly namespaceId: string;
    readonly owner: string;
    readonly nowMs: number;
    readonly revision: number;
  },
): Credential {
  const { nowMs, ...rest } = made;
  const name = canonicalName(request.name);
  return {
    ...rest,
    namespace: namespaceOf(name),
    name,
    // Checked before by credentialTypeOf.
    type: request.type as CredentialType,
    provider: null,
    description: null,
    tags: [],
    rotation: request.generate === undefined ? null : { adapter: 'generated' },
    label: null,
    status: 'active',
    sensitivity: null,
    strengthScore: null,
    expiresAtMs: null,
    ...requestedMetadata(request),
    currentVersion: 1,
    previousVersion: null,
    pendingVersion: null,
    lastVersion: 1,
    versionCreatedAtMs: nowMs,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    deletedAtMs: null,
    recoverableUntilMs: null,
    purgedAtMs: null,
  };
}

/** What a store says about the credential itself; what it does not say stays as it is. */
export function requestedMetadata(
  request: Request,
): Partial<Pick<Credential, 'provider' | 'description' | 'tags' | 'rotation' | 'expiresAtMs'>> {
  const rotation: RotationSettings | undefined = request.rotation;
  return {
    ...(request.provider === undefined ? {} : { provider: request.provider }),
    ...(request.description === undefined ? {} : { description: request.description }),
    ...(request.tags === undefined ? {} : { tags: [...new Set(request.tags)].sort() }),
    ...(rotation === undefined ? {} : { rotation }),
    ...(request.expiresAt === undefined ? {} : { expiresAtMs: Date.parse(request.expiresAt) }),
  };
}

/**
 * Whether this store may happen to what is there.
 * @throws CREDENTIAL_EXISTS, CREDENTIAL_NOT_FOUND, VERSION_CONFLICT, ROTATION_IN_PROGRESS, BAD_REQUEST
 */
export function checkExpectation(existing: Credential | undefined, { expectedVersion, type }: Request): void {
  if (existing === undefined) {
    if (typeof expectedVersion === 'number') throw failure('CREDENTIAL_NOT_FOUND');
    return;
  }
  if (expectedVersion === undefined) throw failure('CREDENTIAL_EXISTS');
  if (typeof expectedVersion === 'number' && expectedVersion !== existing.currentVersion)
    throw failure('VERSION_CONFLICT');
  if (existing.type !== type) {
    throw failure('BAD_REQUEST', {
      publicMessage: 'A new version keeps the type of its credential. Use another name for another type.',
    });
  }
  // The rotation may have set its value at the provider already: a version between would be current and wrong.
  if (existing.pendingVersion !== null) throw failure('ROTATION_IN_PROGRESS');
}
