import { createHash } from 'node:crypto';
import { servicePrincipal, type AnomalyFinding, type ServiceName, type Severity } from '@keymesh/contracts';

/** What can be wrong with the journal or the ledger, and how bad it is. */
export const INCIDENT_SEVERITY = {
  /** A message on a journal subject that is no pack. */
  'malformed-pack': 'high',
  /** Signed by no channel key of the service on whose subject it came, or it names another producer. Nothing of it is taken. */
  'bad-signature': 'high',
  /** A record in a signed pack that is no leaf. The others of the pack are taken. */
  'malformed-leaf': 'high',
  /** Packs of a chain are missing. */
  gap: 'high',
  /** Two packs claim one place in a chain, or a pack does not follow from the one before. */
  fork: 'high',
  /** An old pack of a chain came again. */
  replayed: 'medium',
  /** A chain went on after its last pack. */
  'after-final': 'high',
  /** An event id came again with other content; only the first counts. */
  'repeated-event-differs': 'high',
  /** A chain without a final pack has ended: a crash, or its end was dropped. */
  silent: 'low',
  /** Messages left the journal before the ledger had them. */
  'journal-expired': 'high',
  /** The journal stream was made anew. */
  'journal-replaced': 'high',
  /** The ledger does not fit the last checkpoint that was published. Nothing is signed any more. */
  'checkpoint-mismatch': 'critical',
} as const satisfies Record<string, Severity>;
export type IncidentKind = keyof typeof INCIDENT_SEVERITY;

export interface Incident {
  readonly kind: IncidentKind;
  readonly service: ServiceName;
  /** Instance whose chain it is; empty where no chain is concerned. */
  readonly instance: string;
  /** Where in JOURNAL it was seen; 0 where it is not about a message. */
  readonly journalSequence: number;
  /** What was seen, and what should have been: sequences, counts or sizes. */
  readonly observed: number;
  readonly expected: number;
}

/** The same incident always gets the same id, so that a rebuilt ledger repeats no alert. A UUIDv8 of its SHA-256. */
export function incidentId({ kind, service, instance, journalSequence, observed }: Incident): string {
  const facts = JSON.stringify(['keymesh/v1/incident', kind, service, instance, journalSequence, observed]);
  const hex = createHash('sha256').update(facts).digest('hex');
  const variant = '89ab'[parseInt(hex.charAt(16), 16) % 4] ?? '8';
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    variant + hex.slice(17, 20),
    hex.slice(20, 32),
  ].join('-');
}

const SCORE: Record<Severity, number> = { info: 0, low: 25, medium: 50, high: 80, critical: 100 };

/** The body of `keymesh.v1.alert.<severity>.journal-gap`. Holds ids and numbers only. */
export function alertOf(incident: Incident, nowMs: number): AnomalyFinding {
  const { kind, service, instance, observed, expected, journalSequence } = incident;
  const severity = INCIDENT_SEVERITY[kind];
  const where = instance === '' ? service : `${service} instance ${instance}`;
  return {
    findingId: incidentId(incident),
    kind: 'journal-gap',
    severity,
    principal: servicePrincipal(service),
    credentialId: null,
    score: SCORE[severity],
    observed,
    baseline: expected,
    summary: `Audit journal: ${kind} (${where}, journal message ${String(journalSequence)}). See docs/operations/audit.md.`,
    response: null,
    logIndex: null,
    createdAt: new Date(nowMs).toISOString(),
  };
}
