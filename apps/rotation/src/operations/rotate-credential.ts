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
import { approvalRequired, approvalsToTurn, countApprovals, policyPrincipal } from '@keymesh/policy-engine';
import type { PolicyHolder } from '@keymesh/service-kit';
import { credentialRequest } from '../domain/policy-requests.js';
import type { Asker, RecordedDecision } from '../domain/records.js';

export interface RotateCredentialDependencies {
  readonly policy: PolicyHolder;
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

const askerOf = (call: Call, decision: RecordedDecision | null = null): Asker => ({
  principal: call.principal,
  session: call.sessionId ?? null,
  requestId: call.requestId,
  traceparent: call.traceparent ?? null,
  decision,
});

/** @returns who asks, with the decision. INVARIANT: missing and denied look alike to who may not describe the credential. */
async function permitted(
  dependencies: RotateCredentialDependencies,
  credential: CredentialMetadata,
  call: Call,
): Promise<Asker> {
  const { engine, directory } = dependencies.policy.currentPolicy();
  const entry = directory.find(call.principal);
  if (entry === undefined) throw failure('DENIED');
  const ask = (action: 'rotate' | 'describe'): RecordedDecision => {
    const asked = credentialRequest(policyPrincipal(entry), action, credential, call);
    const request = countApprovals(directory, engine, asked, dependencies.clock.now());
    return { ...engine.decide(request), request };
  };
  const decision = ask('rotate');
  const asker = askerOf(call, decision);
  if (decision.effect === 'permit') return asker;
  const { credentialId } = credential;
  await dependencies.recordRefusal(asker, { outcome: 'denied', code: 'DENIED', credentialId });
  if (ask('describe').effect !== 'permit') throw failure('CREDENTIAL_NOT_FOUND');
  const approvals = approvalsToTurn(directory, engine, decision.request);
  throw approvals === undefined ? failure('DENIED') : approvalRequired(approvals);
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
