import { trace } from '@opentelemetry/api';
import type { Decision } from '@keymesh/policy-engine';
import type { Metrics } from '../telemetry/metrics.js';
import type { CurrentPolicy } from './policy-holder.js';

/** The same policy, whose decisions are counted and, inside a recorded span, seen as spans of their own. */
export function observeDecisions(
  policy: CurrentPolicy,
  metrics: Pick<Metrics, 'policyDecisions'>,
): CurrentPolicy {
  const { engine } = policy;
  const decide: typeof engine.decide = (request) => {
    const startedAt = Date.now();
    const hitsBefore = engine.stats().hits;
    const decision = engine.decide(request);
    const cached = engine.stats().hits > hitsBefore ? 'yes' : 'no';
    metrics.policyDecisions.inc({ effect: decision.effect, cached });
    addSpan(decision, request.action, cached, startedAt);
    return decision;
  };
  return { ...policy, engine: { ...engine, decide } };
}

// Most decisions come from a cache in a microsecond: no span is begun where nobody records.
function addSpan(
  { effect, bundleVersion }: Decision,
  action: string,
  cached: string,
  startedAt: number,
): void {
  if (trace.getActiveSpan()?.isRecording() !== true) return;
  const attributes = {
    'keymesh.effect': effect,
    'keymesh.action': action,
    'keymesh.bundle_version': bundleVersion,
    'keymesh.cached': cached,
  };
  trace
    .getTracer('@keymesh/service-kit')
    .startSpan('policy.decide', { attributes, startTime: startedAt })
    .end();
}
