import type { Metrics } from '@keymesh/service-kit';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** The vault's own metrics. Labels are stages, outcomes and kinds; never a name, id or principal. */
export interface VaultMetrics {
  readonly retrieveStage: Histogram<'stage'>;
  readonly cacheHits: Counter<'cache'>;
  readonly cacheMisses: Counter<'cache'>;
  readonly kmsCalls: Counter<'provider' | 'call' | 'outcome'>;
  readonly kmsDuration: Histogram<'provider' | 'call'>;
  readonly indexPolls: Counter<'outcome'>;
  readonly indexCredentials: Gauge;
  readonly indexAge: Gauge;
  readonly unledgered: Gauge;
  readonly rateLimited: Counter;
  /** Seconds since the oldest active KEK was made. */
  readonly kekAge: Gauge;
  /** Versions that a retired KEK still wraps. */
  readonly retiredKekRows: Gauge;
  /** Batches of key jobs, by what came of them. */
  readonly keyJobBatches: Counter<'kind' | 'outcome'>;
  /** Decisions by what came of making them again with the policies in the shadow. */
  readonly shadowDecisions: Counter<'outcome'>;
  readonly outboxPublished: Counter;
  readonly outboxRetries: Counter;
}

// Stages of a read take microseconds, but for the journal.
const STAGE_BUCKETS = [
  0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 5,
];
const KMS_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** Registers them. `state` and `unledgeredMs` are asked at each scrape. */
export function makeVaultMetrics(
  { registry }: Metrics,
  state: () => { credentials: number; ageMs: number } | undefined,
  unledgeredMs: () => number | undefined,
): VaultMetrics {
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: L[] = []) =>
    new Counter<L>({ name, help, labelNames, registers });
  const histogram = <L extends string>(name: string, help: string, buckets: number[], labelNames: L[]) =>
    new Histogram<L>({ name, help, buckets, labelNames, registers });
  return {
    retrieveStage: histogram(
      'keymesh_vault_retrieve_stage_seconds',
      'Stages of retrieveCredential.',
      STAGE_BUCKETS,
      ['stage'],
    ),
    cacheHits: counter('keymesh_cache_hits_total', 'Answers from memory.', ['cache']),
    cacheMisses: counter('keymesh_cache_misses_total', 'Answers that had to be fetched.', ['cache']),
    kmsCalls: counter('keymesh_kms_calls_total', 'Calls of the KMS.', ['provider', 'call', 'outcome']),
    kmsDuration: histogram('keymesh_kms_call_duration_seconds', 'Calls of the KMS.', KMS_BUCKETS, [
      'provider',
      'call',
    ]),
    indexPolls: counter('keymesh_vault_index_polls_total', 'Questions to Postgres what has changed.', [
      'outcome',
    ]),
    indexCredentials: new Gauge({
      name: 'keymesh_vault_credentials',
      help: 'Live credentials.',
      registers,
      collect() {
        this.set(state()?.credentials ?? 0);
      },
    }),
    indexAge: new Gauge({
      name: 'keymesh_vault_index_age_seconds',
      help: 'Since Postgres was last asked with success; above 1, reads are stale.',
      registers,
      collect() {
        this.set((state()?.ageMs ?? 0) / 1_000);
      },
    }),
    unledgered: new Gauge({
      name: 'keymesh_vault_unledgered_seconds',
      help: 'Age of the oldest journal message that may not be in the ledger, at most; at the limit, reveals stop.',
      registers,
      collect() {
        this.set((unledgeredMs() ?? Infinity) / 1_000);
      },
    }),
    rateLimited: counter('keymesh_vault_rate_limited_total', 'Requests refused by the rate limit.'),
    ...keyMetrics(registers),
    ...shadowMetrics(registers),
    outboxPublished: counter('keymesh_outbox_published_total', 'Outbox entries that were published.'),
    outboxRetries: counter('keymesh_outbox_retries_total', 'Outbox batches that failed and come again.'),
  };
}

const shadowMetrics = (registers: Registry[]): Pick<VaultMetrics, 'shadowDecisions'> => ({
  shadowDecisions: new Counter({
    name: 'keymesh_policy_shadow_decisions_total',
    help: 'Decisions by what came of making them again with the policies in the shadow.',
    labelNames: ['outcome'],
    registers,
  }),
});

const keyMetrics = (
  registers: Registry[],
): Pick<VaultMetrics, 'kekAge' | 'retiredKekRows' | 'keyJobBatches'> => ({
  kekAge: new Gauge({
    name: 'keymesh_vault_kek_age_seconds',
    help: 'Age of the oldest active KEK.',
    registers,
  }),
  retiredKekRows: new Gauge({
    name: 'keymesh_vault_retired_kek_rows',
    help: 'Versions that a retired KEK still wraps.',
    registers,
  }),
  keyJobBatches: new Counter({
    name: 'keymesh_vault_key_job_batches_total',
    help: 'Batches of key jobs.',
    labelNames: ['kind', 'outcome'],
    registers,
  }),
});
