import {
  failure,
  type CredentialMetadata,
  type ErrorCode,
  type ReplyOf,
  type RequestOf,
  type rotateCredential,
  type RotationSummary,
} from '@keymesh/contracts';
import type { Clock, KeymeshError } from '@keymesh/kernel';
import type { Call } from '@keymesh/mesh';
import { refusalOf, type AskPolicy } from '@keymesh/service-kit';
import { credentialResource } from '../domain/policy-requests.js';
import { askerOf, type Asker } from '../domain/records.js';

export interface RotateCredentialDependencies {
  readonly askPolicy: AskPolicy;
  readonly clock: Clock;
  /** @returns undefined when there is no such credential. */
  readonly findByName: (name: string) => Promise<CredentialMetadata | undefined>;
  /** @throws ROTATION_IN_PROGRESS */
  readonly start: (credential: CredentialMetadata, asker: Asker) => Promise<{ rotationId: string }>;
  /** Resolves with the rotation when it is over, or as it is when `untilMs` (of `clock.monotonic()`) has come. */
  readonly waitUntilOver: (rotationId: string, untilMs: number) => Promise<RotationSummary>;
  /** Commits the record of a request that starts nothing. */
  readonly recordRefusal: (
    asker: Asker,
    refusal: { outcome: 'denied' | 'failure'; code: ErrorCode; credentialId?: string },
  ) => Promise<void>;
}

/**
 * Rotates a credential now, for a principal that may.
 * @throws CREDENTIAL_NOT_FOUND (missing, or not to be known of), DENIED, APPROVAL_REQUIRED, ROTATION_UNSUPPORTED, ROTATION_IN_PROGRESS,
 * POLICY_UNAVAILABLE, STORE_UNAVAILABLE, and what the vault throws. A rotation that failed is data: its state and reason.
 */
export function makeRotateCredential(dependencies: RotateCredentialDependencies) {
  return async (
    { name }: RequestOf<typeof rotateCredential>,
    call: Call,
  ): Promise<ReplyOf<typeof rotateCredential>> => {
    const credential = await dependencies.findByName(name);
    if (credential === undefined) throw await refuse(dependencies, askerOf(call), 'CREDENTIAL_NOT_FOUND');
    const asker = await permitted(dependencies, credential, call);
    if (credential.rotation === null || !credential.isActive)
      throw await refuse(dependencies, asker, 'ROTATION_UNSUPPORTED', credential);
    const { rotationId } = await start(dependencies, credential, asker);
    const { clock } = dependencies;
    const half = clock.monotonic() + Math.max(0, call.deadlineAt - clock.monotonic()) / 2;
    return { ...(await dependencies.waitUntilOver(rotationId, half)), name };
  };
}

/** @returns who asks, with the decision. INVARIANT: missing and denied look alike to who may not describe the credential. */
async function permitted(
  dependencies: RotateCredentialDependencies,
  credential: CredentialMetadata,
  call: Call,
): Promise<Asker> {
  const { askPolicy, recordRefusal } = dependencies;
  const resource = credentialResource(credential);
  const access = askPolicy(call, 'rotate', resource);
  const asker = askerOf(call, access);
  if (access.permitted) return asker;
  const { credentialId } = credential;
  await recordRefusal(asker, { outcome: 'denied', code: 'DENIED', credentialId });
  if (!askPolicy(call, 'describe', resource).permitted) throw failure('CREDENTIAL_NOT_FOUND');
  throw refusalOf(askPolicy, call, access);
}

async function start(
  dependencies: RotateCredentialDependencies,
  credential: CredentialMetadata,
  asker: Asker,
): Promise<{ rotationId: string }> {
  try {
    return await dependencies.start(credential, asker);
  } catch (error) {
    if ((error as KeymeshError).code === 'ROTATION_IN_PROGRESS')
      throw await refuse(dependencies, asker, 'ROTATION_IN_PROGRESS', credential);
    throw error;
  }
}

async function refuse(
  { recordRefusal }: RotateCredentialDependencies,
  asker: Asker,
  code: ErrorCode,
  credential?: CredentialMetadata,
): Promise<KeymeshError> {
  const about = credential === undefined ? {} : { credentialId: credential.credentialId };
  await recordRefusal(asker, { outcome: 'failure', code, ...about });
  return failure(code);
}
