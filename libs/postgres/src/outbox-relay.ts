import { context, createContextKey, propagation, ROOT_CONTEXT } from '@opentelemetry/api';
import { MINUTE, SECOND, type Clock } from '@keymesh/kernel';
import type { DataSource } from 'typeorm';
import { translatePostgresError } from './errors.js';
import type { OutboxEntry } from './outbox-table.js';

// SOURCE: @opentelemetry/core suppress-tracing.ts; keys are global symbols. Keeps the poll's queries out of the traces.
const SUPPRESS_TRACING = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING');
const untraced = ROOT_CONTEXT.setValue(SUPPRESS_TRACING, true);

const POLL_MS = SECOND;
const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 30 * SECOND;
const KEEP_PUBLISHED_MS = 60 * MINUTE;
const PRUNE_EVERY_MS = MINUTE;
const PRUNE_ROWS = 5_000;

export interface OutboxRelayOptions {
  readonly dataSource: DataSource;
  /**
   * Publishes one entry and resolves when it is durable; called for a whole batch at once, in order, so that it may pack them.
   * It may see an entry again (after a crash between publishing and marking), always with the same id.
   */
  readonly publish: (entry: OutboxEntry) => Promise<void>;
  readonly clock: Clock;
  /** Entries a transaction. Default 128. */
  readonly batchSize?: number;
  /** Told of a failed batch: the code of the cause, and after how long it is tried again. */
  readonly onRetry?: (code: string, retryInMs: number) => void;
  /** Told of each batch that was published, for metrics. */
  readonly onPublished?: (entries: number) => void;
}

export interface OutboxRelay {
  /** Says that something was committed. Cheap; call it after every commit. */
  poke(): void;
  start(): void;
  /** Resolves when the batch in flight is done; what is left goes out at the next start. */
  stop(): Promise<void>;
  /** Publishes all there is now, for tests and for shutting down. @throws what the first failing entry threw. */
  drain(): Promise<void>;
}

interface Row extends Omit<OutboxEntry, 'beside'> {
  readonly beside: Record<string, string> | null;
  readonly traceparent: string | null;
}

// INVARIANT: rows are found by being unpublished, never by a cursor: a transaction that took a lower seq may commit later.
const SELECT = `
  SELECT id, kind, subject, payload, beside, traceparent FROM outbox
  WHERE published_at IS NULL ORDER BY seq LIMIT $1 FOR UPDATE SKIP LOCKED`;
const MARK = 'UPDATE outbox SET published_at = now() WHERE id = ANY($1::uuid[])';
const PRUNE = `
  DELETE FROM outbox WHERE id IN (
    SELECT id FROM outbox WHERE published_at < now() - $1 * interval '1 millisecond' LIMIT $2 FOR UPDATE SKIP LOCKED)`;

/**
 * Makes the relay that carries committed outbox entries to the bus: at least once, each with its id. Any number of instances
 * may run. Modes: idle (waits for a poke or a second), working (batch after batch until a short one), backing off (after a
 * failure; a poke does not shorten it).
 */
export function makeOutboxRelay(options: OutboxRelayOptions): OutboxRelay {
  const pause = makePause();
  let running = false;
  let loop: Promise<void> = Promise.resolve();
  let prunedAt = options.clock.monotonic();

  const pruneSometimes = async (): Promise<void> => {
    if (options.clock.monotonic() - prunedAt < PRUNE_EVERY_MS) return;
    prunedAt = options.clock.monotonic();
    await options.dataSource.query(PRUNE, [KEEP_PUBLISHED_MS, PRUNE_ROWS]);
  };

  const run = async (): Promise<void> => {
    let failures = 0;
    while (running) {
      try {
        const more = await publishBatch(options);
        await pruneSometimes();
        failures = 0;
        if (!more) await pause.forPoke(POLL_MS);
      } catch (error) {
        failures += 1;
        const retryInMs = backoffMs(failures);
        options.onRetry?.(translatePostgresError(error).code, retryInMs);
        await pause.forStop(retryInMs);
      }
    }
  };

  return {
    poke: pause.poke,
    start: () => {
      if (running) return;
      running = true;
      loop = context.with(untraced, run);
    },
    stop: async () => {
      running = false;
      pause.stop();
      await loop;
    },
    drain: () =>
      context.with(untraced, async () => {
        while (await publishBatch(options));
      }),
  };
}

/** @returns whether there may be more at once. @throws what the first failing publish threw, after marking the others. */
async function publishBatch({
  dataSource,
  publish,
  batchSize = 128,
  onPublished,
}: OutboxRelayOptions): Promise<boolean> {
  return dataSource
    .transaction(async (manager) => {
      const rows = await manager.query<Row[]>(SELECT, [batchSize]);
      const outcomes = await Promise.allSettled(rows.map((row) => publishInItsTrace(row, publish)));
      const published = rows.filter((_, at) => outcomes[at]?.status === 'fulfilled');
      if (published.length > 0) {
        await manager.query(MARK, [published.map((row) => row.id)]);
        onPublished?.(published.length);
      }
      return {
        full: rows.length === batchSize,
        failed: outcomes.find((outcome) => outcome.status === 'rejected'),
      };
    })
    .then(({ full, failed }) => {
      if (failed !== undefined) throw failed.reason;
      return full;
    });
}

async function publishInItsTrace(row: Row, publish: OutboxRelayOptions['publish']): Promise<void> {
  const { beside, traceparent, ...entry } = row;
  const trace = traceparent === null ? untraced : propagation.extract(ROOT_CONTEXT, { traceparent });
  await context.with(trace, () => publish(beside === null ? entry : { ...entry, beside }));
}

// Full jitter, so that instances do not come back in step.
const backoffMs = (failures: number): number =>
  Math.ceil(Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** failures) * (0.5 + Math.random() / 2));

/** Waiting that a poke or stop can end early. A poke that comes while nobody waits ends the next wait for one. */
function makePause() {
  let poked = false;
  let stopped = false;
  let wake: { on: 'poke' | 'stop'; now: () => void } | undefined;
  const wait = (on: 'poke' | 'stop', ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(done, ms);
      function done(): void {
        clearTimeout(timer);
        wake = undefined;
        if (on === 'poke') poked = false;
        resolve();
      }
      wake = { on, now: done };
      if (stopped || (poked && on === 'poke')) done();
    });
  return {
    forPoke: (ms: number) => wait('poke', ms),
    forStop: (ms: number) => wait('stop', ms),
    poke: (): void => {
      poked = true;
      if (wake?.on === 'poke') wake.now();
    },
    stop: (): void => {
      stopped = true;
      wake?.now();
    },
  };
}
