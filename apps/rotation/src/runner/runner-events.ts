import type { Logger } from '@keymesh/service-kit';
import type { RotationMetrics } from '../metrics.js';
import type { Workflow } from '../domain/workflow.js';
import type { RunnerEvents } from './runner.js';

/** Logs and counts steps: ids, states and codes, never what an adapter or the vault said. */
export const makeRunnerEvents = (metrics: RotationMetrics, logger: Logger): RunnerEvents => ({
  onStep: (before, after, seconds) => {
    const { adapter, rotationId, credentialId } = after;
    const outcome = outcomeOf(before, after);
    metrics.steps.observe({ adapter, step: before.state, outcome }, seconds);
    const facts = { rotationId, credentialId, adapter, step: before.state, next: after.state, outcome };
    if (after.state === 'done' || after.state === 'failed') {
      metrics.rotations.inc({ adapter, outcome: after.state });
      logger.info({ ...facts, reason: after.reason, rollbackReason: after.rollbackReason }, 'rotation ended');
    } else if (outcome === 'ok') logger.debug(facts, 'rotation step');
    else logger.warn({ ...facts, attempts: after.attempts, reason: after.reason }, 'rotation step failed');
  },
  onError: (error) => logger.error({ err: error }, 'rotation runner failed; it goes on'),
});

function outcomeOf(before: Workflow, after: Workflow): 'ok' | 'retry' | 'refused' {
  if (after.state === before.state) return 'retry';
  return after.state === 'rollback' ? 'refused' : 'ok';
}
