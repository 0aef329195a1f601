import { trace } from '@opentelemetry/api';
import { policyPrincipal, type Decision } from '@keymesh/policy-engine';
import type { PolicyHolder } from '@keymesh/service-kit';
import type { PolicyPort } from '../domain/ports.js';

/** The port {@link PolicyPort} over the bundle that holds now, with a span for each decision. @throws POLICY_UNAVAILABLE before the first one. */
export function makePolicyPort(
  holder: PolicyHolder,
  onDecision?: (decision: Decision, fromCache: boolean) => void,
): PolicyPort {
  const tracer = trace.getTracer('@keymesh/vault');
  return {
    version: () => holder.currentPolicy().version,
    find(name) {
      const entry = holder.currentPolicy().directory.find(name);
      return entry === undefined ? undefined : policyPrincipal(entry);
    },
    decide(request) {
      const { engine } = holder.currentPolicy();
      const span = tracer.startSpan('policy.decide', { attributes: { 'keymesh.action': request.action } });
      const hits = engine.stats().hits;
      const decision = engine.decide(request);
      span.setAttributes({
        'keymesh.effect': decision.effect,
        'keymesh.bundle.version': decision.bundleVersion,
      });
      span.end();
      onDecision?.(decision, engine.stats().hits > hits);
      return decision;
    },
  };
}
