import { signingKeyOf, SECOND } from '@keymesh/kernel';
import { publishEvent } from '@keymesh/mesh';
import { insertOutbox, makeOutboxRelay, type OutboxEntry, type OutboxRelay } from '@keymesh/postgres';
import { noteVerifierOf } from '@keymesh/transparency-log';
import { openAskPolicy, type ServiceKit } from '@keymesh/service-kit';
import type { AuditConfig } from './config.js';
import { makeAuthoriseAuditRead } from './operations/authorise-audit-read.js';
import { makeFindDecision } from './operations/find-decision.js';
import { makeGetCheckpoint } from './operations/get-checkpoint.js';
import { makeLedgerWriter } from './operations/integrate-packs.js';
import { makeListAuditEvents } from './operations/list-audit-events.js';
import { makeListDecisions } from './operations/list-decisions.js';
import { makeProveConsistency } from './operations/prove-consistency.js';
import { makeProveInclusion } from './operations/prove-inclusion.js';
import { makeReadLogFile } from './operations/read-log-file.js';
import { makeCheckpointSigner } from './operations/sign-checkpoint.js';
import { makeLedgerRunner, type LedgerRunner } from './runner/ledger-runner.js';
import { startLoop, type Loop } from './runner/loop.js';
import { watchLag } from './runner/watch-lag.js';
import { makeLedgerMetrics } from './telemetry/ledger-metrics.js';
import { checkpointEvent, readPublishedCheckpoint } from './transport/checkpoint-events.js';
import { makeFeedStream } from './transport/feed-stream.js';
import { makeProducerKeys } from './transport/producer-keys.js';

const FLUSH_READS_EVERY_MS = 5 * SECOND;

/** What the controllers serve. */
export type AuditOperations = ReturnType<typeof makeAuditLog>['operations'];

/** Puts the service together: which adapter fills which port. Nothing runs before `start`. */
export function makeAuditLog(kit: ServiceKit<AuditConfig>) {
  const { config, clock, connection, dataSource, logger, policy, journal, instance } = kit;
  const checkpointKey = signingKeyOf(config.checkpointSeed);
  const verifier = noteVerifierOf(config.logOrigin, checkpointKey.publicKeyText);
  const relay = makeRelay(kit);
  const metrics = makeLedgerMetrics(kit.metrics.registry);
  const runner = makeLedgerRunner({
    ...{ dataSource, connection, clock, logger, metrics, logOrigin: config.logOrigin },
    writer: makeLedgerWriter({
      dataSource,
      clock,
      keysOf: makeProducerKeys(policy),
    }),
    policyKnown: new Promise((resolve) => policy.onChange(() => resolve())),
    feedStream: makeFeedStream(connection, kit.signingKey),
    makeSigner: () =>
      makeCheckpointSigner({
        dataSource,
        checkpointKey,
        origin: config.logOrigin,
        publishedElsewhere: () => readPublishedCheckpoint(connection, verifier),
        announce: (manager, checkpoint) =>
          insertOutbox(manager, checkpointEvent(checkpoint, verifier.text, clock)),
      }),
    pokeOutbox: () => relay.poke(),
  });
  const askPolicy = openAskPolicy(kit);
  const { authorise, flush } = makeAuthoriseAuditRead({ askPolicy, journal, clock, instance, logger });
  const ports = { dataSource, authorise };
  return {
    operations: {
      listAuditEvents: makeListAuditEvents(ports),
      listDecisions: makeListDecisions(ports),
      findDecision: makeFindDecision(ports),
      getCheckpoint: makeGetCheckpoint({
        ...ports,
        verifierKey: verifier.text,
        signNewest: () => runner.signNewest(),
      }),
      proveInclusion: makeProveInclusion(ports),
      proveConsistency: makeProveConsistency(ports),
      readLogFile: makeReadLogFile(dataSource),
    },
    ...makeLifecycle(runner, relay, flush, () => watchLag({ ...kit, metrics })),
  };
}

function makeLifecycle(
  runner: LedgerRunner,
  relay: OutboxRelay,
  flushReads: (all?: boolean) => Promise<void>,
  startLag: () => Loop,
): { start(): void; stop(): Promise<void> } {
  let loops: Loop[] = [];
  return {
    start: () => {
      relay.start();
      runner.start();
      const flush = async (): Promise<boolean> => {
        await flushReads();
        return false;
      };
      const quiet = {
        idleMs: FLUSH_READS_EVERY_MS,
        longestRetryMs: FLUSH_READS_EVERY_MS,
        onFailure: () => undefined,
      };
      loops = [startLag(), startLoop(flush, quiet)];
    },
    stop: async () => {
      await Promise.all([runner.stop(), ...loops.map((loop) => loop.stop())]);
      await flushReads(true);
      await relay.stop();
    },
  };
}

function makeRelay({
  dataSource,
  connection,
  signingKey,
  clock,
  logger,
}: ServiceKit<AuditConfig>): OutboxRelay {
  return makeOutboxRelay({
    dataSource,
    clock,
    publish: ({ subject, id, payload }: OutboxEntry) =>
      publishEvent(connection, subject, id, payload, { signingKey }),
    onRetry: (code, retryInMs) => logger.warn({ code, retryInMs }, 'outbox: trying again'),
  });
}
