import { context, propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import type { Clock } from '@keymesh/kernel';
import type { Delivery } from '@keymesh/mesh';
import { firstPolicy, type Logger, type PolicyHolder } from '@keymesh/service-kit';
import type { FeedEvent } from '../domain/baseline.js';
import type { DetectorMetrics } from '../metrics.js';
import { readFeedMessage, type FeedMessage } from './read-feed.js';

export const SCORE_FEED = Symbol('anomaly-detector.score-feed');

/** Takes a batch of the feed. Resolves when all of it is counted, so that it may be acknowledged. */
export type ScoreFeed = (deliveries: readonly Delivery[]) => Promise<void>;

export interface ScoreFeedDependencies {
  readonly policy: PolicyHolder;
  readonly scoreEvents: (events: readonly FeedEvent[]) => Promise<void>;
  readonly metrics: DetectorMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Between the bus and the operation: checks and reads the messages, ends each event's trace here, and tells how far behind we are. */
export function makeScoreFeed(dependencies: ScoreFeedDependencies): ScoreFeed {
  const { policy, scoreEvents, metrics, logger, clock } = dependencies;
  return async (deliveries) => {
    const startedAt = clock.now();
    const current = await firstPolicy(policy);
    const messages = deliveries.map((delivery) => ({ delivery, read: readFeedMessage(delivery, current) }));
    const read: Extract<FeedMessage, { event: FeedEvent }>[] = [];
    for (const { delivery, read: message } of messages) {
      if ('event' in message) read.push(message);
      else {
        metrics.rejected.inc({ reason: message.rejected });
        logger.warn(
          { reason: message.rejected, streamSequence: delivery.streamSequence },
          'feed message not counted',
        );
      }
    }
    await scoreEvents(read.map(({ event }) => event));
    for (const { traceparent } of read) endTrace(traceparent, startedAt);
    metrics.events.inc(read.length);
    metrics.lagRecords.set(deliveries.at(-1)?.pending ?? 0);
    const newest = read.at(-1)?.event.timeMs;
    if (newest !== undefined) metrics.lagSeconds.set(Math.max(0, clock.now() - newest) / 1000);
  };
}

// Each event goes on in the trace of the request that it tells of, though many are scored together.
function endTrace(traceparent: string | undefined, startedAt: number): void {
  if (traceparent === undefined) return;
  const parent = propagation.extract(ROOT_CONTEXT, { traceparent });
  if (parent === context.active()) return;
  trace
    .getTracer('@keymesh/anomaly-detector')
    .startSpan('scoreEvent', { startTime: startedAt }, parent)
    .end();
}
