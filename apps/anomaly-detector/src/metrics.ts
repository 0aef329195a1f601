import type { Metrics } from '@keymesh/service-kit';
import { Counter, Gauge } from 'prom-client';

/** The detector's own metrics. */
export interface DetectorMetrics {
  readonly events: Counter;
  readonly rejected: Counter<'reason'>;
  readonly findings: Counter<'kind' | 'severity'>;
  readonly responses: Counter<'outcome'>;
  readonly lagSeconds: Gauge;
  readonly lagRecords: Gauge;
}

const USUAL = [
  ['first-seen-consumer', 'low'],
  ['unusual-rate', 'medium'],
  ['denied-burst', 'high'],
  ['kill-switch', 'critical'],
  ['break-glass', 'critical'],
  ['failed-attempts', 'high'],
  ['policy-bundle-refused', 'high'],
  ['policy-bundle-unattested', 'high'],
] as const;

/** Registers them in the service's registry. */
export function makeDetectorMetrics({ registry }: Metrics): DetectorMetrics {
  const registers = [registry];
  const findings = new Counter({
    name: 'keymesh_findings_total',
    help: 'Findings raised.',
    labelNames: ['kind', 'severity'],
    registers,
  });
  // From zero, so that a rate has a beginning.
  for (const [kind, severity] of USUAL) findings.inc({ kind, severity }, 0);
  return {
    findings,
    events: new Counter({
      name: 'keymesh_detector_events_total',
      help: 'Events of the audit feed that were scored.',
      registers,
    }),
    rejected: new Counter({
      name: 'keymesh_detector_rejected_events_total',
      help: 'Messages of the feed that were not signed by the audit service, or not readable.',
      labelNames: ['reason'],
      registers,
    }),
    responses: new Counter({
      name: 'keymesh_finding_responses_total',
      help: 'Responses to findings: locked, not-locked, retry.',
      labelNames: ['outcome'],
      registers,
    }),
    lagSeconds: new Gauge({
      name: 'keymesh_feed_lag_seconds',
      help: 'Age of the newest event when it was scored.',
      registers,
    }),
    lagRecords: new Gauge({
      name: 'keymesh_feed_lag_records',
      help: 'Events of the feed still to come.',
      registers,
    }),
  };
}
