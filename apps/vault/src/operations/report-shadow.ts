import type { ReplyOf, reportShadow } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import type { AskPolicy } from '../domain/access.js';
import type { Audited } from '../domain/audit-trail.js';
import type { ShadowReport, ShadowStore } from '../store/shadow-rows.js';
import { permitOn } from './permit.js';

export interface ReportShadowPorts {
  readonly audited: Audited;
  readonly askPolicy: AskPolicy;
  readonly clock: Clock;
  readonly shadows: Pick<ShadowStore, 'report'>;
}

/** Kinds of differences in a reply; a message is at most 900 KiB. */
const LISTED = 1_000;

/** What policies in the shadow would have decided otherwise. @throws DENIED, STORE_UNAVAILABLE, AUDIT_UNAVAILABLE */
export function makeReportShadow(ports: ReportShadowPorts): Handler<typeof reportShadow> {
  const { audited, askPolicy, clock, shadows } = ports;
  return audited<typeof reportShadow>('policy-shadow.reported', async ({ shadowId }, call, attempt) => {
    attempt.concerns('policy', '*');
    const resource = { kind: 'policy', id: '*', attributes: {} } as const;
    permitOn({ askPolicy, call, attempt, nowMs: clock.now() }, 'policy.read', resource);
    const report = await shadows.report(shadowId, LISTED);
    await attempt.succeeded();
    return report === undefined ? NOTHING_YET : tell(report);
  });
}

const NOTHING_YET = { evaluated: 0, different: 0, skipped: 0, since: null, differences: [], more: 0 };

const tell = ({ sinceMs, differences, ...sums }: ShadowReport): ReplyOf<typeof reportShadow> => ({
  ...sums,
  since: new Date(sinceMs).toISOString(),
  differences: differences.map(({ because, firstAtMs, lastAtMs, ...difference }) => ({
    ...difference,
    because: [...because],
    firstAt: new Date(firstAtMs).toISOString(),
    lastAt: new Date(lastAtMs).toISOString(),
  })),
});
