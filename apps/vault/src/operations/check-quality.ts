import type { checkQuality } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { namespaceResource, type AskPolicy } from '../domain/access.js';
import type { Audited } from '../domain/audit-trail.js';
import { timestampOrNull } from '../domain/credential.js';
import type { JudgeValue } from '../domain/quality/judge-value.js';
import { credentialTypeOf } from '../domain/types/index.js';
import { permitOn } from './permit.js';

export interface CheckQualityPorts {
  readonly audited: Audited;
  readonly askPolicy: AskPolicy;
  readonly judgeValue: JudgeValue;
  readonly clock: Clock;
}

/**
 * Judges a value as a store into the namespace would, for those who may store there. Nothing is kept: not the value, and in the record
 * neither it nor its score, which would tell the weak ones. Whether it is used elsewhere is not looked up: see ADR 0010.
 * @throws CREDENTIAL_TYPE_UNKNOWN, DENIED, CREDENTIAL_VALUES_INVALID, CREDENTIAL_EMPTY, PAYLOAD_TOO_LARGE, AUDIT_UNAVAILABLE
 */
export function makeCheckQuality(ports: CheckQualityPorts): Handler<typeof checkQuality> {
  const { audited, askPolicy, judgeValue, clock } = ports;
  return audited<typeof checkQuality>('quality.checked', async (request, call, attempt) => {
    const { namespace, values, provider } = request;
    const plugin = credentialTypeOf(request.type);
    attempt.note({ credentialType: plugin.type });
    permitOn({ askPolicy, call, attempt, nowMs: clock.now() }, 'store', namespaceResource(namespace));
    const quality = await judgeValue({ plugin, values, name: `${namespace}/`, provider });
    await attempt.succeeded();
    return {
      score: quality.score,
      findings: [...quality.findings],
      expiresAt: timestampOrNull(quality.expiresAtMs),
      facts: { ...quality.facts },
    };
  });
}
