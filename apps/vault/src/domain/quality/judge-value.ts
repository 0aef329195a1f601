import type { Clock } from '@keymesh/kernel';
import { namespaceOf } from '../name.js';
import type { Values } from '../parts.js';
import type { CredentialTypePlugin } from '../types/plugin.js';
import { assessQuality, type Quality, type QualityPorts } from './assess-quality.js';
import type { CredentialPolicyOf } from './credential-policy.js';

export interface ValueToJudge {
  readonly plugin: CredentialTypePlugin;
  readonly values: Values;
  /** The credential's name, or that of its namespace with nothing after it. */
  readonly name: string;
  readonly provider?: string | null | undefined;
  /** Parts that the vault made itself just now; they are not judged. */
  readonly generated?: readonly string[];
}

/**
 * Judges a value by the credential policy of its place, now. What breaks an enforced rule is among the findings, not thrown.
 * @throws CREDENTIAL_EMPTY, CREDENTIAL_VALUES_INVALID, PAYLOAD_TOO_LARGE, UNAVAILABLE
 */
export type JudgeValue = (value: ValueToJudge) => Promise<Quality>;

export const makeJudgeValue =
  (
    ports: QualityPorts & { readonly credentialPolicyOf: CredentialPolicyOf; readonly clock: Clock },
  ): JudgeValue =>
  ({ plugin, values, name, provider, generated = [] }) =>
    assessQuality(ports, {
      plugin,
      values,
      policy: ports.credentialPolicyOf(namespaceOf(name), plugin.type),
      provider: provider ?? undefined,
      known: name.split('/').filter((segment) => segment !== ''),
      generated,
      nowMs: ports.clock.now(),
    });
