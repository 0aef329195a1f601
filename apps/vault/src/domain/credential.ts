import {
  failure,
  rotationSettings,
  type CredentialMetadata,
  type CredentialStatus,
  type CredentialType,
  type Sensitivity,
  type Stage,
} from '@keymesh/contracts';
import { DAY } from '@keymesh/kernel';
import type { z } from 'zod';
import { intervalSecondsOf, maxAgeMsOf, type CredentialPolicy } from './quality/credential-policy.js';

export type RotationSettings = z.output<typeof rotationSettings>;

/**
 * What is known of a credential without opening it: one row. Which version has which stage is said here and covered by the row's HMAC,
 * so that a database writer cannot swap versions. Times in milliseconds since the epoch.
 */
export interface Credential {
  readonly credentialId: string;
  readonly namespaceId: string;
  readonly namespace: string;
  readonly name: string;
  readonly type: CredentialType;
  readonly provider: string | null;
  readonly description: string | null;
  readonly tags: readonly string[];
  readonly owner: string;
  readonly rotation: RotationSettings | null;
  readonly label: string | null;
  /** `inactive`: kept, and handed to nobody until it is activated again. */
  readonly status: 'active' | 'inactive';
  readonly sensitivity: Sensitivity | null;
  /** 0–100, of the current version; null where nothing was measured. */
  readonly strengthScore: number | null;
  /** As its owner set it; see {@link expiresAtMs} for what counts. */
  readonly expiresAtMs: number | null;
  readonly currentVersion: number;
  readonly previousVersion: number | null;
  readonly pendingVersion: number | null;
  /** The highest number ever given: numbers are never used again. */
  readonly lastVersion: number;
  /** When the current version was made. */
  readonly versionCreatedAtMs: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** A deleted credential keeps its row; a new one of the same name gets a new id. */
  readonly deletedAtMs: number | null;
  /** Until then a deleted credential can be restored. */
  readonly recoverableUntilMs: number | null;
  /** When the versions of a deleted credential were destroyed: nothing of it can come back. */
  readonly purgedAtMs: number | null;
  /** From one sequence; grows with every change of the credential or its versions. */
  readonly revision: number;
  /** The credential policy of its namespace and type, as it holds now. No column, and not sealed: it is laid over the row. */
  readonly policy: CredentialPolicy;
}

/** One stored value, sealed. Its ciphertext never changes; its stage does. */
export interface CredentialVersion {
  readonly credentialId: string;
  readonly version: number;
  readonly stage: Stage;
  readonly dekId: string;
  readonly kekId: string;
  readonly kekVersion: number;
  readonly wrappedDek: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly createdBy: string;
  readonly createdAtMs: number;
  readonly rotationId: string | null;
  readonly strengthScore: number | null;
  /** Keyed hash of the value, equal for equal values of a namespace, 64 hex characters; null where none was made. */
  readonly fingerprint: string | null;
  /** When its bytes were destroyed: the row stays, empty. */
  readonly destroyedAtMs: number | null;
  /** The credential's revision when this row was last written. */
  readonly revision: number;
}

/** The stage of a version by what the credential says; undefined for a number that it does not have or that is revoked. */
export function liveStageOf(credential: Credential, version: number): Stage | undefined {
  if (version === credential.currentVersion) return 'current';
  if (version === credential.previousVersion) return 'previous';
  return version === credential.pendingVersion ? 'pending' : undefined;
}

/** When the current version counts as expired: what its owner set, else the policy's maximal age, where it has one. */
export function expiresAtMs(credential: Credential): number | null {
  if (credential.expiresAtMs !== null) return credential.expiresAtMs;
  const maxAgeMs = maxAgeMsOf(credential.policy);
  return maxAgeMs === null ? null : credential.versionCreatedAtMs + maxAgeMs;
}

export function isExpired(credential: Credential, nowMs: number): boolean {
  const expires = expiresAtMs(credential);
  return expires !== null && nowMs >= expires;
}

/**
 * What stands in the way of handing it out, besides policy. @returns whether it is handed out although it has expired.
 * @throws CREDENTIAL_INACTIVE, CREDENTIAL_EXPIRED where the credential policy refuses expired values
 */
export function requireServed(credential: Credential, nowMs: number): { readonly expired: boolean } {
  if (credential.status === 'inactive') throw failure('CREDENTIAL_INACTIVE');
  const expired = isExpired(credential, nowMs);
  if (expired && credential.policy.atExpiry === 'refuse') throw failure('CREDENTIAL_EXPIRED');
  return { expired };
}

/** The window of a credential that was deleted before windows were kept. */
const FIRST_RECOVERY_MS = 30 * DAY;

/** Until when a deleted credential can be restored; null: it is not deleted, or its versions are destroyed. */
export function restorableUntilMs(credential: Credential): number | null {
  const { deletedAtMs, recoverableUntilMs, purgedAtMs } = credential;
  if (deletedAtMs === null || purgedAtMs !== null) return null;
  return recoverableUntilMs ?? deletedAtMs + FIRST_RECOVERY_MS;
}

/** What counts most comes first: a deleted credential is deleted, whatever else it is. */
export function statusOf(credential: Credential, nowMs: number): CredentialStatus {
  if (credential.deletedAtMs !== null) return 'deleted';
  if (credential.status === 'inactive') return 'inactive';
  return isExpired(credential, nowMs) ? 'expired' : 'active';
}

/** Its rotation settings, with the policy's interval where its owner set none. */
const rotationOf = ({ rotation, policy }: Credential): RotationSettings | null =>
  rotation === null
    ? null
    : { ...rotation, intervalSeconds: rotation.intervalSeconds ?? intervalSecondsOf(policy) };

const timestamp = (ms: number): string => new Date(ms).toISOString();
export const timestampOrNull = (ms: number | null): string | null => (ms === null ? null : timestamp(ms));

/** What may be told of it to somebody who may describe it. */
export function toMetadata(credential: Credential, nowMs: number): CredentialMetadata {
  const expires = expiresAtMs(credential);
  return {
    credentialId: credential.credentialId,
    name: credential.name,
    namespace: credential.namespace,
    type: credential.type,
    provider: credential.provider,
    description: credential.description,
    tags: [...credential.tags],
    owner: credential.owner,
    label: credential.label,
    status: statusOf(credential, nowMs),
    isActive: statusOf(credential, nowMs) === 'active',
    sensitivity: credential.sensitivity,
    strengthScore: credential.strengthScore,
    version: credential.currentVersion,
    revision: credential.revision,
    rotation: rotationOf(credential),
    createdAt: timestamp(credential.createdAtMs),
    updatedAt: timestamp(credential.updatedAtMs),
    versionCreatedAt: timestamp(credential.versionCreatedAtMs),
    expiresAt: timestampOrNull(expires),
    deletedAt: timestampOrNull(credential.deletedAtMs),
    recoverableUntil: timestampOrNull(restorableUntilMs(credential)),
  };
}
