import { failure, type Stage } from '@keymesh/contracts';
import type { Credential, CredentialVersion } from './credential.js';
import type { MutationTransaction } from './mutations.js';
import { promotePending, discardPending } from './stages.js';

/** Which version of which credential a rotation speaks of. */
export interface RotationStep {
  readonly rotationId: string;
  readonly version: number;
}

/**
 * The version that this rotation made.
 * @throws VERSION_NOT_FOUND for a number that is not its.
 */
export async function versionOfRotation(
  transaction: MutationTransaction,
  { credentialId }: Credential,
  { rotationId, version }: RotationStep,
): Promise<CredentialVersion> {
  const found = await transaction.findVersionOfRotation(credentialId, rotationId);
  if (found?.version !== version) throw failure('VERSION_NOT_FOUND');
  return found;
}

/** What a step finds: to do, or done before (then it changes nothing). */
export type StepState = 'to-do' | 'done';

/** Promotes a pending version; one that is current, or was, has been promoted. @throws VERSION_CONFLICT for one that was discarded. */
export function promotionOf(credential: Credential, { version, stage }: CredentialVersion): StepState {
  if (credential.pendingVersion === version) return 'to-do';
  if (stage === 'current' || stage === 'previous') return 'done';
  return refuse();
}

/** Discards a pending version; a revoked one has been discarded. @throws VERSION_CONFLICT for one that is in use. */
export function discardOf(credential: Credential, { version, stage }: CredentialVersion): StepState {
  if (credential.pendingVersion === version) return 'to-do';
  if (stage === 'revoked') return 'done';
  return refuse();
}

function refuse(): never {
  throw failure('VERSION_CONFLICT', { publicMessage: 'This version is not pending any more.' });
}

/** Writes a promotion. @returns the credential as it now stands. */
export async function writePromotion(
  transaction: MutationTransaction,
  credential: Credential,
  pending: CredentialVersion,
  nowMs: number,
): Promise<Credential> {
  const change = { nowMs, revision: await transaction.nextRevision() };
  const { version, createdAtMs, strengthScore } = pending;
  return writeRestaged(
    transaction,
    promotePending({ ...credential, strengthScore }, version, createdAtMs, change),
  );
}

/** Writes the end of a pending version. @returns the credential as it now stands. */
export async function writeDiscard(
  transaction: MutationTransaction,
  credential: Credential,
  pending: CredentialVersion,
  nowMs: number,
): Promise<Credential> {
  const change = { nowMs, revision: await transaction.nextRevision() };
  return writeRestaged(transaction, discardPending(credential, pending.version, change));
}

async function writeRestaged(
  transaction: MutationTransaction,
  {
    credential,
    changes,
  }: { readonly credential: Credential; readonly changes: readonly { version: number; stage: Stage }[] },
): Promise<Credential> {
  await transaction.updateCredential(credential);
  await transaction.setStages(credential.credentialId, changes, credential.revision);
  return credential;
}
