import { createHash } from 'node:crypto';
import { SEVERITIES, type AnomalyFinding, type Severity } from '@keymesh/contracts';
import { lengthPrefixed } from '@keymesh/kernel';
import type { Signal } from './baseline.js';

/** A finding with what its merging needs. */
export interface Finding extends Omit<AnomalyFinding, 'createdAt'> {
  /** Time of the event that raised it, milliseconds. */
  readonly createdAtMs: number;
  /** Signals merged into it, itself included. */
  readonly occurrences: number;
  readonly lastEventMs: number;
}

const rank = (severity: Severity): number => SEVERITIES.indexOf(severity);

/**
 * The finding that a signal makes, or the open one with the signal merged into it: within `mergeSeconds` of event time after it
 * was raised, unless the signal is graver. A merged signal is not published again.
 */
export function raiseOrMerge(
  signal: Signal,
  open: Finding | undefined,
  mergeSeconds: number,
): { readonly finding: Finding; readonly isNew: boolean } {
  const { timeMs } = signal.event;
  const merges =
    open !== undefined &&
    timeMs - open.createdAtMs < mergeSeconds * 1000 &&
    rank(signal.score.severity) <= rank(open.severity);
  if (!merges) return { finding: newFinding(signal), isNew: true };
  return {
    isNew: false,
    finding: {
      ...open,
      score: Math.max(open.score, signal.score.score),
      observed:
        signal.kind === 'first-seen-consumer'
          ? open.observed + 1
          : Math.max(open.observed, signal.score.observed),
      occurrences: open.occurrences + 1,
      lastEventMs: Math.max(open.lastEventMs, timeMs),
    },
  };
}

const newFinding = (signal: Signal): Finding => ({
  findingId: deriveFindingId(signal),
  kind: signal.kind,
  severity: signal.score.severity,
  principal: signal.principal,
  credentialId: signal.credentialId,
  score: signal.score.score,
  observed: signal.score.observed,
  baseline: Math.round(signal.score.baseline * 1000) / 1000,
  summary: summarise(signal),
  response: null,
  logIndex: signal.event.logIndex ?? null,
  createdAtMs: signal.event.timeMs,
  occurrences: 1,
  lastEventMs: signal.event.timeMs,
});

/**
 * The id follows from kind, principal and the event that raised it, so that a replayed feed raises the same finding, and the
 * stream and the database drop the second one.
 * SOURCE: RFC 9562 section 5.8: UUID version 8, here of SHA-256.
 */
export function deriveFindingId({
  kind,
  principal,
  event,
}: Pick<Signal, 'kind' | 'principal' | 'event'>): string {
  const hash = createHash('sha256')
    .update(lengthPrefixed('finding', kind, principal, event.eventId))
    .digest();
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x80;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  const hex = hash.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  );
}

// Principal names and numbers only: a summary goes to chat channels and mail.
function summarise({ kind, principal, score }: Signal): string {
  const usual = Math.round(score.baseline * 10) / 10;
  switch (kind) {
    case 'first-seen-consumer':
      return `${principal} read a credential that it had never read before.`;
    case 'unusual-rate':
      return `${principal} asked ${score.observed} times within a minute; its usual rate is ${usual}.`;
    case 'denied-burst':
      return `${principal} was denied ${score.observed} times in short order; ${usual} would be usual.`;
    case 'journal-gap':
      return `The journal of ${principal} has a gap.`;
    case 'kill-switch':
      return `${principal} set a kill switch. See keymesh kill-switch list.`;
    case 'break-glass':
      return `${principal} opened break-glass. See keymesh break-glass list, and have it reviewed.`;
    case 'failed-attempts':
      return `${principal} refuses a source or a token for a while: too many failed attempts to prove an identity.`;
    case 'policy-bundle-refused':
      return `${principal} refused a policy bundle: somebody has the bundle key, or the NATS server. The last good one decides.`;
    case 'policy-bundle-unattested':
      return `${principal} does not know whether its policy bundle is the newest: the policy service is away, or its answers are kept back.`;
  }
}

/** The body of `keymesh.v1.alert.…` and of listFindings. */
export const toAnomalyFinding = ({
  createdAtMs,
  occurrences: _occurrences,
  lastEventMs: _lastEventMs,
  ...finding
}: Finding): AnomalyFinding => ({ ...finding, createdAt: new Date(createdAtMs).toISOString() });
