import { trace } from '@opentelemetry/api';
import { policyPrincipal, type Decision } from '@keymesh/policy-engine';
import type { PolicyHolder } from '@keymesh/service-kit';
import type { PolicyPort } from '../domain/ports.js';

/** The port {@link PolicyPort} over the bundle that holds now, with a span for each decision. @throws POLICY_UNAVAILABLE before the first one. */
export function makePolicyPort(
  holder: PolicyHolder,
  onDecision?: (decision: Decision, fromCache: boolean) => void,
): PolicyPort {
  return {
    version: () => holder.currentPolicy().version,
    find(name) {
      const entry = holder.currentPolicy().directory.find(name);
      return entry === undefined ? undefined : policyPrincipal(entry);
    },
    decide(request) {
      const { engine } = holder.currentPolicy();
      const startedAt = Date.now();
      const hits = engine.stats().hits;
      const decision = engine.decide(request);
      addSpan(decision, request.action, startedAt);
      onDecision?.(decision, engine.stats().hits > hits);
      return decision;
    },
  };
}

// Most decisions come from a cache in a microsecond: no span is begun where nobody records.
function addSpan({ effect, bundleVersion }: Decision, action: string, startTime: number): void {
  if (trace.getActiveSpan()?.isRecording() !== true) return;
  const attributes = {
    'keymesh.action': action,
    'keymesh.effect': effect,
    'keymesh.bundle.version': bundleVersion,
  };
  trace.getTracer('@keymesh/vault').startSpan('policy.decide', { attributes, startTime }).end();
}
