import { z } from 'zod';
import { defineRpc } from '../rpc.js';

export const SEVERITIES = ['info', 'low', 'medium', 'high', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];
export const FINDING_KINDS = [
  'first-seen-consumer',
  'unusual-rate',
  'denied-burst',
  'journal-gap',
  'kill-switch',
  'break-glass',
  'failed-attempts',
  'policy-bundle-refused',
  'policy-bundle-unattested',
] as const;
export type FindingKind = (typeof FINDING_KINDS)[number];

/** A finding of the detector, and the body of `keymesh.v1.alert.<severity>.<kind>`. */
export const anomalyFinding = z.strictObject({
  findingId: z.uuid(),
  kind: z.enum(FINDING_KINDS),
  severity: z.enum(SEVERITIES),
  principal: z.string(),
  credentialId: z.uuid().nullable(),
  /** 0 to 100. */
  score: z.int().min(0).max(100),
  /** What was measured, and the baseline it was compared with. */
  observed: z.number(),
  baseline: z.number(),
  summary: z.string(),
  response: z.string().nullable(),
  logIndex: z.int().nullable(),
  createdAt: z.iso.datetime(),
});
export type AnomalyFinding = z.output<typeof anomalyFinding>;

export const listFindings = defineRpc({
  name: 'listFindings',
  service: 'anomaly-detector',
  noun: 'finding',
  verb: 'list',
  request: z.strictObject({
    principal: z.string().max(64).optional(),
    limit: z.int().min(1).max(500).default(100),
  }),
  reply: z.strictObject({ findings: z.array(anomalyFinding) }),
});
