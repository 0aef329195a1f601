import { failure } from '@keymesh/contracts';
import { context, propagation, ROOT_CONTEXT } from '@opentelemetry/api';
import type { RunStep } from '../steps/run-step.js';
import { isOpen, nextAfter, type Change, type RetryLimits, type Workflow } from '../domain/workflow.js';
import { jittered } from '../domain/schedule.js';

/** A workflow that this instance alone may work on. The store's own fields ride along. */
export interface Leased {
  readonly workflow: Workflow;
}

/** Where workflows are kept (store/lease-workflow.ts). */
export interface RunnerStore<L extends Leased> {
  claimDue(): Promise<L | undefined>;
  /** The trace of the request that the workflow was made for; its steps go on in it. */
  traceparentOf?(leased: L): string | null;
  /** @returns false when the lease is lost. */
  touchProvider(leased: L): Promise<boolean>;
  /** @returns the workflow as it is now, or undefined when the lease is lost. */
  saveChange(leased: L, change: Change): Promise<Workflow | undefined>;
}

/** Told of every step, for logs and metrics: ids and codes only. */
export interface RunnerEvents {
  onStep(before: Workflow, after: Workflow, seconds: number): void;
  /** The store or the code failed; the workflow stays where it is and is claimed again. */
  onError(error: unknown): void;
}

export interface RunnerOptions {
  readonly limits: RetryLimits;
  /** How long one step may take; less than half a lease. */
  readonly stepTimeoutMs: number;
  readonly pollMs: number;
  /** Rotations at the same time in this instance. */
  readonly concurrency: number;
  readonly random?: () => number;
}

export interface Runner {
  /** Says that a workflow may be due. */
  poke(): void;
  start(): void;
  /** Resolves when the steps in flight are done; their workflows stay open and any instance goes on. */
  stop(): Promise<void>;
}

/**
 * Works on due workflows: claims one, runs its steps one after another until it waits or ends, commits each transition.
 * INVARIANT: a step runs only after the state that names it was committed; so a kill at any point leaves a row that says what to repeat.
 */
export function makeRunner<L extends Leased>(
  store: RunnerStore<L>,
  runStep: RunStep,
  events: RunnerEvents,
  options: RunnerOptions,
): Runner {
  const { random = Math.random } = options;
  const working = new Set<Promise<void>>();
  let running = false;
  let timer: NodeJS.Timeout | undefined;
  let claiming: Promise<void> | undefined;
  let again = false;

  const claimAll = async (): Promise<void> => {
    while (running && working.size < options.concurrency) {
      const leased = await store.claimDue();
      if (leased === undefined) return;
      const work: Promise<void> = inItsTrace(store.traceparentOf?.(leased), () =>
        workOn(leased, store, runStep, events, options, () => running),
      )
        .catch((error: unknown) => events.onError(error))
        .finally(() => {
          working.delete(work);
          poke();
        });
      working.add(work);
    }
  };

  const wait = () => setTimeout(poke, jittered(options.pollMs, random()));
  const poke = (): void => {
    if (!running) return;
    if (claiming !== undefined) {
      again = true;
      return;
    }
    clearTimeout(timer);
    // Whoever pokes does so within a request: neither the claims nor the timer belong to its trace.
    claiming = context
      .with(ROOT_CONTEXT, claimAll)
      .catch((error: unknown) => events.onError(error))
      .finally(() => {
        claiming = undefined;
        if (again) {
          again = false;
          poke();
        } else if (running) timer = context.with(ROOT_CONTEXT, wait);
      });
  };

  return {
    poke,
    start: () => {
      running = true;
      poke();
    },
    stop: async () => {
      running = false;
      clearTimeout(timer);
      await claiming;
      await Promise.all(working);
    },
  };
}

const inItsTrace = (traceparent: string | null | undefined, work: () => Promise<void>): Promise<void> =>
  context.with(propagation.extract(ROOT_CONTEXT, traceparent ? { traceparent } : {}), work);

/** Runs steps of one workflow until it waits, ends, its lease is lost, or the runner stops. */
async function workOn<L extends Leased>(
  claimed: L,
  store: RunnerStore<L>,
  runStep: RunStep,
  events: RunnerEvents,
  options: RunnerOptions,
  isRunning: () => boolean,
): Promise<void> {
  let leased = claimed;
  while (isRunning()) {
    const before = leased.workflow;
    const startedAt = performance.now();
    const outcome = await runStep(before, {
      signal: AbortSignal.timeout(options.stepTimeoutMs),
      markTouched: async () => {
        // INVARIANT: an instance that was paused past its lease fails here, before it changes anything at the provider.
        if (!(await store.touchProvider(leased))) throw failure('ROTATION_IN_PROGRESS');
      },
    });
    const { delayMs, ...change } = nextAfter(before, outcome, options.limits);
    const jitteredMs = delayMs === 0 ? 0 : jittered(delayMs, (options.random ?? Math.random)());
    const after = await store.saveChange(leased, { ...change, delayMs: jitteredMs });
    if (after === undefined) return;
    events.onStep(before, after, (performance.now() - startedAt) / 1000);
    if (!isOpen(after.state) || delayMs > 0) return;
    leased = { ...leased, workflow: after };
  }
}
