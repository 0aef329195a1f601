import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { INCIDENT_SEVERITY } from '../domain/incident.js';

/** What the ledger counts. Names: `keymesh_<what>_<unit>`. */
export interface LedgerMetrics {
  /** Records in JOURNAL that are not in the ledger; an estimate from packs and their usual size, exact when 0. */
  readonly lagRecords: Gauge;
  /** Age of the last message that the ledger has, while others wait; 0 when none does. */
  readonly lagSeconds: Gauge;
  readonly size: Gauge;
  readonly checkpointSize: Gauge;
  /** 1 on the instance that writes. */
  readonly leader: Gauge;
  readonly batchRecords: Histogram;
  readonly commitSeconds: Histogram;
  readonly repeats: Counter;
  readonly incidents: Counter<'kind'>;
  readonly failures: Counter<'part'>;
  readonly published: Counter;
  readonly feedLag: Gauge;
}

const BATCH_BUCKETS = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384];
const COMMIT_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** Registers the ledger's metrics. */
export function makeLedgerMetrics(registry: Registry): LedgerMetrics {
  const registers = [registry];
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name, help, buckets, registers });
  const incidents = new Counter({
    name: 'keymesh_ledger_incidents_total',
    help: 'What was wrong with the journal or the ledger, by kind.',
    labelNames: ['kind'],
    registers,
  });
  // From 0: a counter that is not there before its first incident has no rate to alarm on.
  for (const kind of Object.keys(INCIDENT_SEVERITY)) incidents.inc({ kind }, 0);
  return {
    incidents,
    lagRecords: gauge(
      'keymesh_ledger_lag_records',
      'Journal records that are not in the ledger yet (estimate).',
    ),
    lagSeconds: gauge('keymesh_ledger_lag_seconds', 'How far the ledger is behind the journal.'),
    size: gauge('keymesh_ledger_size_records', 'Entries in the ledger.'),
    checkpointSize: gauge('keymesh_checkpoint_size_records', 'Entries that the newest checkpoint covers.'),
    leader: gauge('keymesh_ledger_writer', '1 on the instance that writes the ledger.'),
    batchRecords: histogram(
      'keymesh_ledger_batch_records',
      'Records in one commit of the ledger.',
      BATCH_BUCKETS,
    ),
    commitSeconds: histogram('keymesh_ledger_commit_seconds', 'One commit of the ledger.', COMMIT_BUCKETS),
    repeats: new Counter({
      name: 'keymesh_ledger_repeats_total',
      help: 'Records that came again.',
      registers,
    }),
    failures: new Counter({
      name: 'keymesh_ledger_failures_total',
      help: 'Attempts that failed and are made again, by part.',
      labelNames: ['part'],
      registers,
    }),
    published: new Counter({
      name: 'keymesh_feed_published_total',
      help: 'Events put on the audit feed.',
      registers,
    }),
    feedLag: gauge('keymesh_feed_lag_records', 'Entries of the ledger that are not on the audit feed yet.'),
  };
}
