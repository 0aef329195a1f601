import { CONSUMERS, toPublicError } from '@keymesh/contracts';
import { MINUTE, SECOND, type Clock } from '@keymesh/kernel';
import type { MeshConnection } from '@keymesh/mesh';
import type { HealthRegistry, Logger } from '@keymesh/service-kit';
import type { DataSource } from 'typeorm';
import { readFeedPosition } from '../store/feed-position.js';
import { readTreeHead, type TreeHead } from '../store/tree-head.js';
import type { LedgerMetrics } from '../telemetry/ledger-metrics.js';
import { readStreamEnds } from '../transport/jetstream-api.js';
import { startLoop, type Loop } from './loop.js';

const EVERY_MS = 5 * SECOND;
const ALARM_MS = MINUTE;

export interface WatchLagPorts {
  readonly connection: MeshConnection;
  readonly dataSource: DataSource;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly health: HealthRegistry;
  readonly metrics: LedgerMetrics;
}

/** How far the ledger is behind the journal. */
export interface LedgerLag {
  /** Journal messages that are not in the ledger. */
  readonly packs: number;
  /** Age of the newest one that is, while others wait: the oldest that waits is at most this old. */
  readonly seconds: number;
}

/** @returns 0 seconds when nothing waits. */
export function measureLag(
  head: Pick<TreeHead, 'journalSequence' | 'journalStoredAt'>,
  lastSequence: number,
  nowMs: number,
): LedgerLag {
  const packs = Math.max(0, lastSequence - head.journalSequence);
  if (packs === 0) return { packs, seconds: 0 };
  return { packs, seconds: Math.max(0, (nowMs - (head.journalStoredAt ?? nowMs)) / 1_000) };
}

/**
 * Measures the ledger's lag every few seconds, on every instance, from the stream and the database: also when the writer is stuck.
 * While Postgres is away it goes on from the last known position. A lag of more than a minute is an alarm in the log and makes the
 * service degraded; records are safe in JOURNAL meanwhile, for seven days.
 */
export function watchLag(ports: WatchLagPorts): Loop {
  const { clock, connection, dataSource, logger, metrics } = ports;
  let head: TreeHead | undefined;
  let laggingSince: number | undefined;
  let lag: LedgerLag = { packs: 0, seconds: 0 };
  const laggedMs = (): number => (laggingSince === undefined ? 0 : clock.monotonic() - laggingSince);

  ports.health.register('ledger', () => ({
    status: laggedMs() > ALARM_MS ? 'degraded' : 'ok',
    facts: { lagPacks: lag.packs, lagSeconds: Math.round(lag.seconds), size: head?.size ?? 0 },
  }));

  const measure = async (): Promise<boolean> => {
    const { lastSequence } = await readStreamEnds(connection, CONSUMERS.ledger.stream);
    try {
      head = await readTreeHead(dataSource.manager);
      metrics.size.set(head.size);
      metrics.feedLag.set(Math.max(0, head.size - (await readFeedPosition(dataSource.manager)).nextIndex));
    } catch (error) {
      logger.debug({ code: toPublicError(error).code }, 'the lag is measured from the last known position');
    }
    if (head === undefined) return false;
    lag = measureLag(head, lastSequence, clock.now());
    laggingSince = lag.packs === 0 ? undefined : (laggingSince ?? clock.monotonic());
    metrics.lagSeconds.set(lag.seconds);
    metrics.lagRecords.set(Math.ceil(lag.packs * recordsPerPack(head)));
    if (laggedMs() > ALARM_MS)
      logger.error({ ...lag }, 'the ledger has been behind the journal for more than a minute');
    return false;
  };
  const onFailure = (error: unknown): void =>
    logger.debug({ code: toPublicError(error).code }, 'the lag cannot be measured');
  return startLoop(measure, { idleMs: EVERY_MS, longestRetryMs: EVERY_MS, onFailure });
}

const recordsPerPack = ({ size, journalSequence }: TreeHead): number =>
  journalSequence === 0 ? 1 : Math.max(1, size / journalSequence);
