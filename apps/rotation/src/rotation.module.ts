import type { CredentialMetadata } from '@keymesh/contracts';
import { HOUR, MINUTE } from '@keymesh/kernel';
import { inStore, makeOutboxRelay, pruneIdempotency, type OutboxRelay } from '@keymesh/postgres';
import {
  inSpan,
  KIT,
  openAskPolicy,
  type AskPolicy,
  type ServiceDefinition,
  type ServiceKit,
} from '@keymesh/service-kit';
import type { Provider } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { makeGeneratedAdapter } from './adapters/generated.js';
import { makePostgresRoleAdapter } from './adapters/postgres-role.js';
import { readConfig, type RotationConfig } from './config.js';
import { rotationListed, rotationRefused, type Asker, type RecordStamp } from './domain/records.js';
import { newWorkflow } from './domain/workflow.js';
import { makeRotationMetrics, type RotationMetrics } from './metrics.js';
import { makeListRotations } from './operations/list-rotations.js';
import { makeRotateCredential } from './operations/rotate-credential.js';
import { makeRunner, type Runner, type RunnerStore } from './runner/runner.js';
import { makeRunnerEvents } from './runner/runner-events.js';
import { makeLoop, scheduleDue } from './runner/scheduler.js';
import { makeWaitUntilOver } from './runner/wait-until-over.js';
import { makeRunStep, type RunStep } from './steps/run-step.js';
import { saveRecord } from './store/audit-outbox.js';
import { findPast, findRotation, findRotations } from './store/find-workflows.js';
import { findAdoption, pruneHolders } from './store/holders.js';
import { claimDue, saveChange, touchProvider, type LeasedWorkflow } from './store/lease-workflow.js';
import { startWorkflow } from './store/start-workflow.js';
import { HolderController } from './transport/holder.controller.js';
import { makeMeshVault } from './transport/mesh-vault.js';
import { makePublishOutbox } from './transport/publish-outbox.js';
import { RotationController } from './transport/rotation.controller.js';
import { ASK_POLICY, LIST_ROTATIONS, RELAY, ROTATE_CREDENTIAL, RUNNER } from './transport/tokens.js';

type Kit = ServiceKit<RotationConfig>;

/** The scheduler asks in the service's own name. */
const SCHEDULER: Asker = {
  principal: '_rotation',
  session: null,
  requestId: null,
  traceparent: null,
  decision: null,
};

const stampOf = ({ instance, clock }: Kit): RecordStamp => ({ instance, now: clock.now() });

function makeRelay(kit: Kit): OutboxRelay {
  const { dataSource, clock, logger } = kit;
  const relay = makeOutboxRelay({
    dataSource,
    clock,
    publish: makePublishOutbox(kit),
    onRetry: (code, retryInMs) => logger.warn({ code, retryInMs }, 'outbox waits'),
  });
  relay.start();
  kit.onShutdown('outbox', () => relay.stop());
  return relay;
}

function runnerStore(kit: Kit, relay: OutboxRelay): RunnerStore<LeasedWorkflow> {
  const { dataSource, clock, config } = kit;
  const { leaseMs } = config;
  return {
    claimDue: () => claimDue(dataSource, leaseMs),
    traceparentOf: ({ asker }) => asker.traceparent,
    touchProvider: (leased) => touchProvider(dataSource, leased, { leaseMs, now: clock.now() }),
    saveChange: async (leased, change) => {
      const saved = await saveChange(dataSource, leased, change, { leaseMs, stamp: stampOf(kit) });
      relay.poke();
      return saved;
    },
  };
}

const inStepSpan =
  (runStep: RunStep): RunStep =>
  (workflow, hands) =>
    inSpan(`rotation.${workflow.state}`, () => runStep(workflow, hands), {
      'keymesh.adapter': workflow.adapter,
    });

function makeRotationRunner(kit: Kit, relay: OutboxRelay): Runner {
  const { config, caller, logger } = kit;
  const vault = makeMeshVault(caller);
  const adapters = {
    generated: makeGeneratedAdapter(vault),
    'postgres-role': makePostgresRoleAdapter(vault),
  };
  const metrics = makeRotationMetrics(kit.metrics);
  const runner = makeRunner(
    runnerStore(kit, relay),
    inStepSpan(makeRunStep(vault, adapters)),
    makeRunnerEvents(metrics, logger),
    {
      limits: { maxAttempts: config.maxAttempts, firstDelayMs: config.firstRetryMs, maxDelayMs: MINUTE },
      stepTimeoutMs: config.leaseMs / 2,
      pollMs: config.pollMs,
      concurrency: config.concurrency,
    },
  );
  runner.start();
  kit.onShutdown('runner', () => runner.stop());
  startLoops(kit, runner, relay, metrics);
  return runner;
}

const startRotation = async (
  kit: Kit,
  wake: { runner: Runner; relay: OutboxRelay },
  credential: CredentialMetadata,
  asker: Asker,
): Promise<{ rotationId: string }> => {
  const workflow = newWorkflow(uuidv7(), credential);
  const started = await startWorkflow(kit.dataSource, workflow, asker, stampOf(kit));
  wake.runner.poke();
  wake.relay.poke();
  return started;
};

function startLoops(kit: Kit, runner: Runner, relay: OutboxRelay, metrics: RotationMetrics): void {
  const { dataSource, clock, config, logger, caller } = kit;
  const vault = makeMeshVault(caller);
  const onError = (error: unknown): void => logger.warn({ err: error }, 'round failed; the next one comes');
  const schedule = async (): Promise<void> => {
    const started = await scheduleDue({
      clock,
      listRotatable: () => vault.listRotatable(),
      findPast: (credentials) => findPast(dataSource, credentials),
      start: async (credential) => {
        await startRotation(kit, { runner, relay }, credential, SCHEDULER);
      },
    });
    metrics.scheduled.inc(started);
  };
  const observe = async (): Promise<void> => {
    const adoption = [...(await findAdoption(dataSource)).values()];
    metrics.sessions.set(
      { state: 'confirmed' },
      adoption.reduce((sum, { confirmed }) => sum + confirmed, 0),
    );
    metrics.sessions.set(
      { state: 'waiting' },
      adoption.reduce((sum, { waiting }) => sum + waiting, 0),
    );
  };
  const prune = async (): Promise<void> => {
    await pruneHolders(dataSource);
    await inStore(() => pruneIdempotency(dataSource.manager));
  };
  const loops = [
    makeLoop(schedule, onError, {
      meanMs: config.schedulePollMs,
      firstMs: Math.min(2_000, config.schedulePollMs),
    }),
    makeLoop(observe, onError, { meanMs: MINUTE / 2, firstMs: 1_000 }),
    makeLoop(prune, onError, { meanMs: HOUR }),
  ];
  for (const loop of loops) {
    loop.start();
    kit.onShutdown('loop', () => loop.stop());
  }
}

const makeRotate = (kit: Kit, askPolicy: AskPolicy, runner: Runner, relay: OutboxRelay) =>
  makeRotateCredential({
    askPolicy,
    clock: kit.clock,
    findByName: (name) => makeMeshVault(kit.caller).findByName(name),
    start: (credential, asker) => startRotation(kit, { runner, relay }, credential, asker),
    waitUntilOver: makeWaitUntilOver((rotationId) => findRotation(kit.dataSource, rotationId), kit.clock),
    recordRefusal: async (asker, refusal) => {
      await saveRecord(kit.dataSource, rotationRefused(stampOf(kit), asker, refusal));
      relay.poke();
    },
  });

const makeList = (kit: Kit, askPolicy: AskPolicy, relay: OutboxRelay) =>
  makeListRotations({
    askPolicy,
    findByName: (name) => makeMeshVault(kit.caller).findByName(name),
    findRotations: (query) => findRotations(kit.dataSource, query),
    recordListed: async (asker, permitted) => {
      await saveRecord(kit.dataSource, rotationListed(stampOf(kit), asker, permitted));
      relay.poke();
    },
  });

const PROVIDERS: Provider[] = [
  { provide: RELAY, useFactory: makeRelay, inject: [KIT] },
  { provide: RUNNER, useFactory: makeRotationRunner, inject: [KIT, RELAY] },
  {
    provide: ASK_POLICY,
    useFactory: (kit: Kit) => openAskPolicy(kit, { service: 'rotation' }),
    inject: [KIT],
  },
  { provide: ROTATE_CREDENTIAL, useFactory: makeRotate, inject: [KIT, ASK_POLICY, RUNNER, RELAY] },
  { provide: LIST_ROTATIONS, useFactory: makeList, inject: [KIT, ASK_POLICY, RELAY] },
];

/** The rotation service, as `runService` takes it. */
export const SERVICE: ServiceDefinition<RotationConfig> = {
  name: 'rotation',
  config: readConfig,
  database: { schema: 'rotation', entities: [] },
  controllers: [RotationController, HolderController],
  providers: PROVIDERS,
};
