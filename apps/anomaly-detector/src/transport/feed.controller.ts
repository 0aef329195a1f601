import { CONSUMERS } from '@keymesh/contracts';
import type { Delivery } from '@keymesh/mesh';
import { ConsumeBatches } from '@keymesh/service-kit';
import { Controller, Inject } from '@nestjs/common';
import { SCORE_FEED, type ScoreFeed } from './score-feed.js';

/** The audit feed, in the order of the log, as many events at once as there are. */
@Controller()
export class FeedController {
  constructor(@Inject(SCORE_FEED) private readonly scoreFeed: ScoreFeed) {}

  @ConsumeBatches(CONSUMERS.detector, { batchSize: 500, paceMs: 250 })
  score(deliveries: readonly Delivery[]): Promise<void> {
    return this.scoreFeed(deliveries);
  }
}
