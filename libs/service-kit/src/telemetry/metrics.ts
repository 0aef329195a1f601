import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Metrics that every service has, and the registry for a service's own (`new Counter({ …, registers: [metrics.registry] })`). */
export interface Metrics {
  readonly registry: Registry;
  /** Seconds of serving an operation; outcome is `success` or an error code. */
  readonly operationDuration: Histogram<'operation' | 'outcome'>;
  readonly operations: Counter<'operation' | 'outcome'>;
  /** Records in one journal pack. */
  readonly journalBatch: Histogram;
  /** Seconds from sending a pack until its fsynced acknowledgement. */
  readonly journalAck: Histogram;
  /** `stored` or `refused`. */
  readonly journalPacks: Counter<'outcome'>;
  /** Counted by `observeDecisions`: `cached` is yes or no. */
  readonly policyDecisions: Counter<'effect' | 'cached'>;
  readonly policyBundles: Counter<'result'>;
  readonly policyBundleVersion: Gauge;
  /** Seconds since the policy service vouched for the bundle; 0 where it is made. */
  readonly policyAttestationAge: { follow(ageSeconds: () => number): void };
  readonly consumed: Counter<'consumer' | 'outcome'>;
  readonly consumeDuration: Histogram<'consumer'>;
  /** Milliseconds since the epoch until which the newest channel key serves. */
  readonly channelKeyExpiry: Gauge;
}

// A read takes well under a millisecond; a rotation takes seconds.
const OPERATION_BUCKETS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];
const ACK_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];
const BATCH_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/** A gauge that is read when it is asked for. */
function followed(name: string, help: string, registers: Registry[]): Metrics['policyAttestationAge'] {
  let read: (() => number) | undefined;
  new Gauge({
    name,
    help,
    registers,
    collect() {
      if (read !== undefined) this.set(read());
    },
  });
  return { follow: (next) => void (read = next) };
}

/**
 * Makes the registry with the default metrics of the process and the shared ones. Names: `keymesh_<what>_<unit>`.
 * Every sample has the label `service`; `instance` is Prometheus' own label of the target.
 */
export function makeMetrics(service: string): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: L[] = []) =>
    new Counter<L>({ name, help, labelNames, registers });
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  const histogram = <L extends string>(name: string, help: string, buckets: number[], labelNames: L[] = []) =>
    new Histogram<L>({ name, help, buckets, labelNames, registers });
  return {
    registry,
    operationDuration: histogram(
      'keymesh_operation_duration_seconds',
      'Serving an operation.',
      OPERATION_BUCKETS,
      ['operation', 'outcome'],
    ),
    operations: counter('keymesh_operations_total', 'Operations served.', ['operation', 'outcome']),
    journalBatch: histogram(
      'keymesh_journal_batch_records',
      'Audit records in one journal pack.',
      BATCH_BUCKETS,
    ),
    journalAck: histogram(
      'keymesh_journal_ack_seconds',
      'Sending a journal pack until it is durable.',
      ACK_BUCKETS,
    ),
    journalPacks: counter('keymesh_journal_packs_total', 'Journal packs sent, by outcome.', ['outcome']),
    policyDecisions: counter('keymesh_policy_decisions_total', 'Policy decisions.', ['effect', 'cached']),
    policyBundles: counter('keymesh_policy_bundles_total', 'Policy bundles seen, by result.', ['result']),
    policyBundleVersion: gauge('keymesh_policy_bundle_version', 'Version of the bundle that decides.'),
    policyAttestationAge: followed(
      'keymesh_policy_attestation_age_seconds',
      'Since the policy service vouched for the bundle that decides.',
      registers,
    ),
    consumed: counter('keymesh_consumed_messages_total', 'JetStream messages handled.', [
      'consumer',
      'outcome',
    ]),
    consumeDuration: histogram(
      'keymesh_consume_duration_seconds',
      'Handling a JetStream message.',
      OPERATION_BUCKETS,
      ['consumer'],
    ),
    channelKeyExpiry: gauge(
      'keymesh_channel_key_expiry_timestamp_seconds',
      'When the newest channel key expires.',
    ),
  };
}
