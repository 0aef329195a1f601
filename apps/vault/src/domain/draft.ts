import { failure, type CredentialType, type RequestOf, type storeCredential } from '@keymesh/contracts';
import type { Credential, RotationSettings } from './credential.js';
import { canonicalName, namespaceOf } from './name.js';
import type { Values } from './parts.js';
import type { CredentialPolicy } from './quality/credential-policy.js';
import type { CredentialTypePlugin } from './types/plugin.js';

type Request = RequestOf<typeof storeCredential>;

/**
 * The value to store: what was sent, and what is made here with `generate`. The caller disposes `generated`.
 * @throws CREDENTIAL_VALUES_INVALID for a type that only its provider can issue, or a part that is both sent and made.
 */
export async function assembleValues(
  plugin: CredentialTypePlugin,
  { values: given = {}, generate }: Pick<Request, 'values' | 'generate'>,
): Promise<{ values: Values; generated: Values }> {
  if (generate === undefined) return { values: given, generated: {} };
  if (plugin.generate === undefined) {
    throw failure('CREDENTIAL_VALUES_INVALID', {
      publicMessage: `A value of type ${plugin.type} cannot be generated: its provider issues it. Send what it issued.`,
    });
  }
  const twice = plugin.generates?.find((part) => Object.hasOwn(given, part));
  if (twice !== undefined) {
    throw failure('CREDENTIAL_VALUES_INVALID', {
      publicMessage: `With generate, the part ${twice} is made by Keymesh: do not send one.`,
    });
  }
  const generated = await plugin.generate(generate);
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
    readonly policy: CredentialPolicy;
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
    // What the vault made it can make anew.
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
): Partial<
  Pick<Credential, 'provider' | 'description' | 'tags' | 'label' | 'sensitivity' | 'rotation' | 'expiresAtMs'>
> {
  const rotation: RotationSettings | undefined = request.rotation;
  return {
    ...(request.provider === undefined ? {} : { provider: request.provider }),
    ...(request.description === undefined ? {} : { description: request.description }),
    ...(request.tags === undefined ? {} : { tags: [...new Set(request.tags)].sort() }),
    ...(request.label === undefined ? {} : { label: request.label }),
    ...(request.sensitivity === undefined ? {} : { sensitivity: request.sensitivity }),
    ...(rotation === undefined ? {} : { rotation }),
    ...(request.expiresAt === undefined ? {} : { expiresAtMs: Date.parse(request.expiresAt) }),
  };
}

/**
 * When the credential expires once this value is stored: the earlier of what its owner says and what the value itself says. What is read
 * from a value ends with it.
 * @param before as the credential has it so far; all in milliseconds since the epoch.
 */
export function effectiveExpiry(
  { readsExpiry = false }: CredentialTypePlugin,
  { expiresAt }: Pick<Request, 'expiresAt'>,
  before: number | null,
  readFromValue: number | null,
): number | null {
  const stated = expiresAt === undefined ? (readsExpiry ? null : before) : Date.parse(expiresAt);
  if (stated === null || readFromValue === null) return stated ?? readFromValue;
  return Math.min(stated, readFromValue);
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
