import type { FindingKind } from '@keymesh/contracts';
import { isRead, observe, type Baseline, type FeedEvent, type Signal } from './baseline.js';
import { raiseOrMerge, type Finding } from './findings.js';
import { loudSignal } from './loud-records.js';
import type { DetectorSettings } from './scoring.js';

/** What is known before a batch, of the principals in it. */
export interface BatchMemory {
  readonly baselines: ReadonlyMap<string, Baseline>;
  /** `knownKey` of the credentials in the batch that their principals have read before. */
  readonly known: ReadonlySet<string>;
  /** The newest finding by `openKey`. */
  readonly open: ReadonlyMap<string, Finding>;
}

/** What a batch changes. */
export interface BatchResult {
  readonly baselines: ReadonlyMap<string, Baseline>;
  readonly newlyKnown: readonly { principal: string; credentialId: string; timeMs: number }[];
  readonly raised: readonly Finding[];
  /** Findings of before the batch that signals were merged into. */
  readonly merged: readonly Finding[];
}

export const knownKey = (principal: string, credentialId: string): string => `${principal} ${credentialId}`;
export const openKey = (principal: string, kind: FindingKind): string => `${principal} ${kind}`;

/** The mesh's own services are not scored: what they do follows from what others ask. */
export const isScored = (event: FeedEvent): event is FeedEvent & { readonly principal: string } =>
  event.principal !== undefined && !event.principal.startsWith('_');

/**
 * Scores events, none of them seen before, in the order of the log. Pure: scoring a feed in one batch or in many gives the same.
 * @param events in any order; those of a batch are put into the order of the log first.
 */
export function scoreBatch(
  events: readonly FeedEvent[],
  memory: BatchMemory,
  settings: DetectorSettings,
): BatchResult {
  const baselines = new Map(memory.baselines);
  const known = new Set(memory.known);
  const open = new Map(memory.open);
  const newlyKnown: BatchResult['newlyKnown'][number][] = [];
  const raised = new Set<string>();
  const touched = new Map<string, Finding>();
  const raise = (signal: Signal): void => {
    const key = openKey(signal.principal, signal.kind);
    const { finding, isNew } = raiseOrMerge(signal, open.get(key), settings.mergeSeconds);
    open.set(key, finding);
    touched.set(finding.findingId, finding);
    if (isNew) raised.add(finding.findingId);
  };
  for (const event of inLogOrder(events)) {
    const loud = loudSignal(event);
    if (loud !== undefined) raise(loud);
    if (!isScored(event)) continue;
    const { principal, credentialId } = event;
    const isNew =
      credentialId !== undefined && isRead(event) && !known.has(knownKey(principal, credentialId));
    const { baseline, signals } = observe(baselines.get(principal), event, isNew, settings);
    baselines.set(principal, baseline);
    if (isNew) {
      known.add(knownKey(principal, credentialId));
      newlyKnown.push({ principal, credentialId, timeMs: event.timeMs });
    }
    for (const signal of signals) raise(signal);
  }
  const findings = [...touched.values()];
  return {
    baselines,
    newlyKnown,
    raised: findings.filter(({ findingId }) => raised.has(findingId)),
    merged: findings.filter(({ findingId }) => !raised.has(findingId)),
  };
}

// Events without an index (none in a real feed) keep their place after the others.
const inLogOrder = (events: readonly FeedEvent[]): FeedEvent[] =>
  [...events].sort((a, b) => (a.logIndex ?? Infinity) - (b.logIndex ?? Infinity) || 0);
