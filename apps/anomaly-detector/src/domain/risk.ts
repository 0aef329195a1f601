import { MAX_RISK_SCORES, type FindingKind } from '@keymesh/contracts';
import { HOUR } from '@keymesh/kernel';
import type { Finding } from './findings.js';

/** How long a finding says something about its principal. */
export const RISK_MS = HOUR;

/** Kinds that are about how a principal behaves. The others are loud news of what somebody did on purpose. */
export const BEHAVIOUR: readonly FindingKind[] = ['first-seen-consumer', 'unusual-rate', 'denied-burst'];

/**
 * The score of each principal now: that of its gravest finding, falling in a straight line to nothing within an hour of its last event.
 * Pure. Nobody with 0 is named; of too many, those with the lowest scores are left out.
 */
export function riskOf(
  findings: readonly Pick<Finding, 'kind' | 'principal' | 'score' | 'lastEventMs'>[],
  nowMs: number,
): Readonly<Record<string, number>> {
  const scores = new Map<string, number>();
  for (const { kind, principal, score, lastEventMs } of findings) {
    if (!BEHAVIOUR.includes(kind)) continue;
    const left = 1 - Math.max(0, nowMs - lastEventMs) / RISK_MS;
    const now = Math.min(100, Math.round(score * left));
    if (now > (scores.get(principal) ?? 0)) scores.set(principal, now);
  }
  return Object.fromEntries([...scores].sort(([, a], [, b]) => b - a).slice(0, MAX_RISK_SCORES));
}
