import type { describeType } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { namespaceResource, type AskPolicy } from '../domain/access.js';
import type { Audited } from '../domain/audit-trail.js';
import {
  GENERAL_RULES,
  strictnessOf,
  type CredentialPolicyOf,
  type Rule,
} from '../domain/quality/credential-policy.js';
import { credentialTypeOf, describePlugin } from '../domain/types/index.js';
import { permitOn } from './permit.js';

export interface DescribeTypePorts {
  readonly audited: Audited;
  readonly askPolicy: AskPolicy;
  readonly credentialPolicyOf: CredentialPolicyOf;
  readonly clock: Clock;
}

/**
 * One type with the credential policy that holds for it in a namespace, for those who may list there.
 * @throws CREDENTIAL_TYPE_UNKNOWN, DENIED, AUDIT_UNAVAILABLE
 */
export function makeDescribeType(ports: DescribeTypePorts): Handler<typeof describeType> {
  const { audited, askPolicy, credentialPolicyOf, clock } = ports;
  return audited<typeof describeType>('type.described', async ({ type, namespace }, call, attempt) => {
    const plugin = credentialTypeOf(type);
    permitOn({ askPolicy, call, attempt, nowMs: clock.now() }, 'list', namespaceResource(namespace));
    const { rules: _set, ...policy } = credentialPolicyOf(namespace, type);
    const known: readonly Rule[] = [...GENERAL_RULES, ...(plugin.rules ?? [])];
    const strictness = (rule: Rule) => strictnessOf(credentialPolicyOf(namespace, type), rule);
    await attempt.succeeded();
    return {
      ...describePlugin(plugin),
      policy: { ...policy, rules: Object.fromEntries(known.map((rule) => [rule.rule, strictness(rule)])) },
    };
  });
}
