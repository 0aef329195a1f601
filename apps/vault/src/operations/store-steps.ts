import type { RequestOf, storeCredential } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Call } from '@keymesh/mesh';
import { credentialResource, namespaceResource, type AskPolicy } from '../domain/access.js';
import type { Attempt } from '../domain/audit-trail.js';
import type { Credential } from '../domain/credential.js';
import { assembleValues } from '../domain/draft.js';
import { namespaceOf } from '../domain/name.js';
import { disposeValues, type Values } from '../domain/parts.js';
import { refuseWeak, type Quality } from '../domain/quality/assess-quality.js';
import type { CredentialPolicyOf } from '../domain/quality/credential-policy.js';
import type { JudgeValue } from '../domain/quality/judge-value.js';
import { checkRotationAdapter } from '../domain/types/check-values.js';
import type { CredentialTypePlugin } from '../domain/types/plugin.js';
import { permitOn } from './permit.js';

// The steps of storing one credential before its transaction; a batch takes the same ones for each of its items. Then comes write-store.ts.

export interface StorePorts {
  readonly askPolicy: AskPolicy;
  readonly judgeValue: JudgeValue;
  readonly credentialPolicyOf: CredentialPolicyOf;
  readonly clock: Clock;
}

type Request = RequestOf<typeof storeCredential>;

/** @throws DENIED */
export function permitStore(
  { askPolicy, clock }: StorePorts,
  {
    name,
    existing,
    call,
    attempt,
  }: {
    readonly name: string;
    readonly existing: Credential | undefined;
    readonly call: Call;
    readonly attempt: Attempt;
  },
): void {
  const nowMs = clock.now();
  if (existing !== undefined) attempt.about(existing);
  permitOn(
    { askPolicy, call, attempt, nowMs },
    'store',
    existing === undefined ? namespaceResource(namespaceOf(name)) : credentialResource(existing, nowMs),
  );
}

/** A value that was found good enough to be stored. */
export interface PreparedStore {
  readonly plugin: CredentialTypePlugin;
  readonly name: string;
  readonly request: Request;
  readonly values: Values;
  /** Those of `values` that were made here; whoever prepared disposes them. */
  readonly generated: Values;
  readonly quality: Quality;
}

/**
 * Before the transaction: makes what is to be generated, and judges the value.
 * @param wanted name: canonical; known: what memory says is there, for the provider that it keeps.
 * @throws CREDENTIAL_VALUES_INVALID, CREDENTIAL_EMPTY, CREDENTIAL_WEAK, PAYLOAD_TOO_LARGE, ROTATION_UNSUPPORTED, UNAVAILABLE
 */
export async function prepareStore(
  { judgeValue }: StorePorts,
  wanted: {
    readonly plugin: CredentialTypePlugin;
    readonly name: string;
    readonly request: Request;
    readonly known: Credential | undefined;
  },
): Promise<PreparedStore> {
  const { plugin, name, request, known } = wanted;
  if (request.rotation !== undefined) checkRotationAdapter(plugin, request.rotation.adapter);
  const { values, generated } = await assembleValues(plugin, request);
  try {
    const provider = request.provider ?? known?.provider;
    const quality = await judgeValue({ plugin, values, name, provider, generated: Object.keys(generated) });
    refuseWeak(quality.findings);
    return { plugin, name, request, values, generated, quality };
  } catch (error) {
    disposeValues(generated);
    throw error;
  }
}
