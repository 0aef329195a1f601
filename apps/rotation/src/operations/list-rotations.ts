import {
  failure,
  type CredentialMetadata,
  type listRotations,
  type PolicyRequest,
  type ReplyOf,
  type RequestOf,
  type RotationSummary,
} from '@keymesh/contracts';
import { callContext, type Call } from '@keymesh/mesh';
import { policyPrincipal } from '@keymesh/policy-engine';
import type { PolicyHolder } from '@keymesh/service-kit';
import type { Asker, RecordedDecision } from '../domain/records.js';

export interface ListRotationsDependencies {
  readonly policy: PolicyHolder;
  readonly findByName: (name: string) => Promise<CredentialMetadata | undefined>;
  readonly findRotations: (query: {
    credentialId?: string | undefined;
    limit: number;
  }) => Promise<RotationSummary[]>;
  readonly recordListed: (asker: Asker, permitted: boolean) => Promise<void>;
}

/** Rotations, newest first, for who may read them. @throws DENIED, CREDENTIAL_NOT_FOUND, POLICY_UNAVAILABLE, STORE_UNAVAILABLE */
export function makeListRotations(dependencies: ListRotationsDependencies) {
  return async (
    { name, limit }: RequestOf<typeof listRotations>,
    call: Call,
  ): Promise<ReplyOf<typeof listRotations>> => {
    const asker = decide(dependencies.policy, call);
    const permitted = asker.decision?.effect === 'permit';
    await dependencies.recordListed(asker, permitted);
    if (!permitted) throw failure('DENIED');
    if (name === undefined) return { rotations: await dependencies.findRotations({ limit }) };
    const credential = await dependencies.findByName(name);
    if (credential === undefined) throw failure('CREDENTIAL_NOT_FOUND');
    const { credentialId } = credential;
    return { rotations: await dependencies.findRotations({ credentialId, limit }) };
  };
}

function decide(policy: PolicyHolder, call: Call): Asker {
  const { engine, directory } = policy.currentPolicy();
  const entry = directory.find(call.principal);
  if (entry === undefined) throw failure('DENIED');
  const request: PolicyRequest = {
    principal: policyPrincipal(entry),
    action: 'rotation.read',
    resource: { kind: 'rotation', id: 'all', attributes: {} },
    context: { service: 'rotation', ...callContext(call) },
  };
  const decision: RecordedDecision = { ...engine.decide(request), request };
  return {
    principal: call.principal,
    session: call.sessionId ?? null,
    requestId: call.requestId,
    traceparent: call.traceparent ?? null,
    decision,
  };
}
