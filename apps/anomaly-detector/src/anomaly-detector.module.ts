import { lockPrincipal } from '@keymesh/contracts';
import { HOUR, SECOND } from '@keymesh/kernel';
import { makeOutboxRelay } from '@keymesh/postgres';
import { KIT, openAskPolicy, type ServiceDefinition, type ServiceKit } from '@keymesh/service-kit';
import type { Provider } from '@nestjs/common';
import { readConfig, type DetectorConfig } from './config.js';
import type { Finding } from './domain/findings.js';
import { makeDetectorMetrics, type DetectorMetrics } from './metrics.js';
import { makeListFindings } from './operations/list-findings.js';
import { respondToFindings, type RespondDependencies } from './operations/respond-to-findings.js';
import { makeScoreEvents } from './operations/score-events.js';
import { makeResponder } from './responder.js';
import { findFindings } from './store/find-findings.js';
import { saveResponse, takeDueLock } from './store/lock-queue.js';
import { prune } from './store/prune.js';
import { FeedController } from './transport/feed.controller.js';
import { FindingController, LIST_FINDINGS } from './transport/finding.controller.js';
import { makePublishOutbox } from './transport/publish-outbox.js';
import { makePublishRisk, RISK_EVERY_MS } from './transport/publish-risk.js';
import { makeScoreFeed, SCORE_FEED, type ScoreFeed } from './transport/score-feed.js';

type Kit = ServiceKit<DetectorConfig>;

const LOCK_CALL_MS = 5 * SECOND;
/** How long a lock that was taken up is left to its instance before another one may take it. */
const LOCK_HOLD_MS = 15 * SECOND;

/** Composition root: the feed's way into scoring, and what follows from a finding. */
function makeFeed(kit: Kit): ScoreFeed {
  const { dataSource, logger, clock, config, instance, policy } = kit;
  const metrics = makeDetectorMetrics(kit.metrics);
  const onError = (error: unknown): void => logger.warn({ err: error }, 'round failed; it is tried again');
  const relay = makeOutboxRelay({
    dataSource,
    clock,
    publish: makePublishOutbox(kit),
    onRetry: (code, retryInMs) => logger.warn({ code, retryInMs }, 'outbox waits'),
  });
  const responder = makeResponder(() => respondToFindings(responsePorts(kit, metrics)), onError);
  const pruner = makeResponder(() => prune(dataSource), onError, HOUR);
  const risk = makeResponder(makePublishRisk(kit), onError, RISK_EVERY_MS);
  for (const loop of [relay, responder, pruner, risk]) loop.start();
  kit.onShutdown('outbox', () => relay.stop());
  kit.onShutdown('responder', () => responder.stop());
  kit.onShutdown('pruning', () => pruner.stop());
  kit.onShutdown('risk', () => risk.stop());
  const onRaised = (findings: readonly Finding[]): void => {
    if (findings.length === 0) return;
    for (const { kind, severity, findingId, principal, score } of findings) {
      metrics.findings.inc({ kind, severity });
      logger.info({ findingId, kind, severity, about: principal, score }, 'finding raised');
    }
    relay.poke();
    responder.poke();
    risk.poke();
  };
  const scoreEvents = makeScoreEvents({ dataSource, settings: config.detector, clock, instance, onRaised });
  return makeScoreFeed({ policy, scoreEvents, metrics, logger, clock });
}

const responsePorts = (
  { dataSource, clock, config, policy, caller }: Kit,
  metrics: DetectorMetrics,
): RespondDependencies => ({
  clock,
  lockSeconds: config.lockSeconds,
  takeDueLock: () => takeDueLock(dataSource, LOCK_HOLD_MS),
  saveResponse: (findingId, response, retryInMs) => {
    const ended = response.startsWith('locked') ? 'locked' : 'not-locked';
    metrics.responses.inc({ outcome: retryInMs === undefined ? ended : 'retry' });
    return saveResponse(dataSource, findingId, response, retryInMs);
  },
  findPrincipal: (name) => policy.currentPolicy().directory.find(name),
  lock: (principal, lockSeconds, reason) =>
    caller.call(lockPrincipal, { principal, lockSeconds, reason }, { deadlineMs: LOCK_CALL_MS }),
});

const PROVIDERS: Provider[] = [
  { provide: SCORE_FEED, useFactory: makeFeed, inject: [KIT] },
  {
    provide: LIST_FINDINGS,
    useFactory: (kit: Kit) =>
      makeListFindings({
        ...kit,
        askPolicy: openAskPolicy(kit, { service: 'anomaly-detector' }),
        record: (record) => kit.journal.record(record),
        findFindings: (query) => findFindings(kit.dataSource, query),
      }),
    inject: [KIT],
  },
];

/** The anomaly detector, as `runService` takes it. */
export const SERVICE: ServiceDefinition<DetectorConfig> = {
  name: 'anomaly-detector',
  config: readConfig,
  database: { schema: 'anomaly_detector', entities: [] },
  controllers: [FeedController, FindingController],
  providers: PROVIDERS,
};
