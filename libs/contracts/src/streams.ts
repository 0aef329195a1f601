import { subjects } from './subjects.js';

const NS = 1_000_000;
const days = (n: number): number => n * 86_400_000 * NS;

/** A JetStream stream as the deploy-time identity makes it. Times in nanoseconds, as the server counts. */
export interface StreamDeclaration {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly maxAgeNs: number;
  readonly maxBytes: number;
  /** `new`: a full stream refuses (and reveals stop); `old`: it forgets. */
  readonly discard: 'new' | 'old';
  readonly maxMessagesPerSubject?: number;
  /** `async` only where the content can be rebuilt: it undoes `sync_interval: always`. */
  readonly persistMode?: 'async';
  readonly denyDelete: boolean;
  readonly duplicateWindowNs: number;
}

export const POLICY_BUCKET = 'POLICY';
export const POLICY_BUNDLE_KEY = 'bundle';

/** Every stream. Nobody makes others. */
export const STREAMS = [
  {
    name: 'JOURNAL',
    subjects: [subjects.journalAll],
    maxAgeNs: days(7),
    maxBytes: 8 * 2 ** 30,
    discard: 'new',
    denyDelete: true,
    duplicateWindowNs: 120_000 * NS,
  },
  {
    name: 'AUDIT',
    subjects: [subjects.auditAll],
    maxAgeNs: days(30),
    maxBytes: 8 * 2 ** 30,
    discard: 'old',
    persistMode: 'async',
    denyDelete: true,
    duplicateWindowNs: 120_000 * NS,
  },
  {
    name: 'EVENTS',
    subjects: [subjects.eventsAll],
    maxAgeNs: days(7),
    maxBytes: 2 ** 30,
    discard: 'old',
    denyDelete: true,
    duplicateWindowNs: 120_000 * NS,
  },
  {
    name: 'ALERTS',
    subjects: [subjects.alertAll],
    maxAgeNs: days(90),
    maxBytes: 2 ** 30,
    discard: 'old',
    denyDelete: true,
    duplicateWindowNs: 120_000 * NS,
  },
  /** The KV bucket POLICY (NATS ADR-8 naming). */
  {
    name: `KV_${POLICY_BUCKET}`,
    subjects: [`$KV.${POLICY_BUCKET}.>`],
    maxAgeNs: 0,
    maxBytes: 256 * 2 ** 20,
    discard: 'new',
    maxMessagesPerSubject: 8,
    denyDelete: true,
    duplicateWindowNs: 120_000 * NS,
  },
] as const satisfies readonly StreamDeclaration[];

/** A durable pull consumer. Its name has no dots. */
export interface ConsumerDeclaration {
  readonly stream: (typeof STREAMS)[number]['name'];
  readonly durable: string;
  readonly filterSubjects?: readonly string[];
  readonly ackWaitMs: number;
  readonly maxAckPending: number;
  /**
   * `up-to`: one acknowledgement for a message and all before it. INVARIANT: only where a single instance works at a time; of several, one
   * would acknowledge what another still works on, and if that one dies its batch is lost.
   */
  readonly acknowledges?: 'up-to';
  /** Who may pull from it; `siem`: the SIEM account. */
  readonly owner: 'audit' | 'anomaly-detector' | 'rotation' | 'policy' | 'siem';
}

/** Every durable consumer. Delivery is unlimited: handlers are idempotent and decide themselves what is poison. */
export const CONSUMERS = {
  ledger: {
    stream: 'JOURNAL',
    durable: 'ledger',
    acknowledges: 'up-to',
    ackWaitMs: 30_000,
    maxAckPending: 64,
    owner: 'audit',
  },
  detector: {
    stream: 'AUDIT',
    durable: 'detector',
    ackWaitMs: 30_000,
    maxAckPending: 1024,
    owner: 'anomaly-detector',
  },
  holders: {
    stream: 'AUDIT',
    durable: 'holders',
    filterSubjects: [subjects.audit('vault', 'credential', 'retrieved')],
    ackWaitMs: 30_000,
    maxAckPending: 1024,
    owner: 'rotation',
  },
  rotationEvents: {
    stream: 'EVENTS',
    durable: 'rotation-events',
    filterSubjects: [subjects.eventsOf('vault')],
    ackWaitMs: 30_000,
    maxAckPending: 64,
    owner: 'rotation',
  },
  siem: { stream: 'AUDIT', durable: 'siem', ackWaitMs: 60_000, maxAckPending: 4096, owner: 'siem' },
} as const satisfies Record<string, ConsumerDeclaration>;
