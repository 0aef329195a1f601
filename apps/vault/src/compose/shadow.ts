import { SECOND } from '@keymesh/kernel';
import type { ServiceKit } from '@keymesh/service-kit';
import { makeShadowEvaluation, type ShadowEvaluation } from '../domain/shadow.js';
import type { PolicyPort } from '../domain/ports.js';
import type { VaultMetrics } from '../metrics.js';
import { makeReportShadow } from '../operations/report-shadow.js';
import { makeShadowStore, type ShadowStore } from '../store/shadow-rows.js';
import type { ShadowOperations } from '../transport/operations.js';
import type { VaultPorts } from './ports.js';

const WORK_EVERY_MS = 25;
/** At a time: less than a request takes. */
const WORK_MS = 1;
const KEEP_EVERY_MS = 5 * SECOND;

/** Makes decisions again with what is in the shadow, between requests, and keeps the sums. */
export function startShadow(
  { policy, clock, dataSource, logger, onShutdown }: ShadowKit,
  { shadowDecisions }: Pick<VaultMetrics, 'shadowDecisions'>,
): Pick<ShadowEvaluation, 'note'> {
  const evaluation = makeShadowEvaluation({
    shadow: () => policy.findPolicy()?.shadow,
    clock,
    onEvaluated: (outcome) => shadowDecisions.inc({ outcome }),
  });
  const store = makeShadowStore(dataSource);
  const keep = (): Promise<void> => keepSums(evaluation, store, logger);
  const working = setInterval(() => evaluation.work(WORK_MS), WORK_EVERY_MS);
  const keeping = setInterval(() => void keep(), KEEP_EVERY_MS);
  working.unref();
  keeping.unref();
  onShutdown('shadow', async () => {
    clearInterval(working);
    clearInterval(keeping);
    await keep();
  });
  return evaluation;
}

type ShadowKit = Pick<ServiceKit, 'policy' | 'clock' | 'dataSource' | 'logger' | 'onShutdown'>;

async function keepSums(
  evaluation: Pick<ShadowEvaluation, 'take' | 'giveBack'>,
  store: Pick<ShadowStore, 'add'>,
  logger: ServiceKit['logger'],
): Promise<void> {
  const sums = evaluation.take();
  if (sums === undefined) return;
  try {
    await store.add(sums);
  } catch (error) {
    evaluation.giveBack(sums);
    logger.warn({ err: error }, 'sums of the shadow are not kept yet');
  }
}

/** The same policy; what it decides is noted for the shadow. */
export const besideShadow = (policy: PolicyPort, shadow: Pick<ShadowEvaluation, 'note'>): PolicyPort => ({
  ...policy,
  decide(request) {
    const decision = policy.decide(request);
    shadow.note(request, decision);
    return decision;
  },
});

/** What the shadow would have decided otherwise. */
export const shadowOperations = (ports: VaultPorts): ShadowOperations => ({
  reportShadow: ports.serve(makeReportShadow({ ...ports, shadows: makeShadowStore(ports.kit.dataSource) })),
});
