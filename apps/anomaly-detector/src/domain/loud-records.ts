import type { FindingKind, Severity } from '@keymesh/contracts';
import type { FeedEvent, Signal } from './baseline.js';

/**
 * Records that are findings by themselves, whoever they are about and however often they come: no baseline makes them usual. What a row
 * needs besides is its kind in the contract and its sentence in findings.ts.
 */
const LOUD_RECORDS: Readonly<
  Record<string, { readonly kind: FindingKind; readonly severity: Severity } | undefined>
> = {
  // Somebody stops a part of the mesh.
  'kill-switch.set': { kind: 'kill-switch', severity: 'critical' },
  // Somebody may more than usual, and nobody was asked.
  'break-glass.opened': { kind: 'break-glass', severity: 'critical' },
  // Somebody tries keys or tokens, one after the other.
  'attempts.locked-out': { kind: 'failed-attempts', severity: 'high' },
  // Somebody has the bundle key, or the broker.
  'policy-bundle.refused': { kind: 'policy-bundle-refused', severity: 'high' },
  // The policy service is away, or somebody between it and a service keeps bundles or answers back.
  'policy-bundle.unattested': { kind: 'policy-bundle-unattested', severity: 'high' },
};

const loudOf = (type: string) => (Object.hasOwn(LOUD_RECORDS, type) ? LOUD_RECORDS[type] : undefined);

/** Whether a record of this type is a finding. A service that says it in nobody's name says it about itself. */
export const isLoud = (type: string): boolean => loudOf(type) !== undefined;

/** The signal of an event that is one by itself; none for what was only tried. */
export function loudSignal(event: FeedEvent): Signal | undefined {
  const { principal, credentialId = null, outcome } = event;
  const loud = loudOf(event.type);
  if (loud === undefined || principal === undefined || outcome === 'denied') return undefined;
  const { kind, severity } = loud;
  return {
    kind,
    principal,
    credentialId,
    event,
    score: { fires: true, score: 100, severity, observed: 1, baseline: 0 },
  };
}
