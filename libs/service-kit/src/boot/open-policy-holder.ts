import { SECOND } from '@keymesh/kernel';
import { makeBundleFloor } from '@keymesh/postgres';
import type { CommonConfig } from '../config/common-config.js';
import type { CheckResult } from '../health/health-registry.js';
import { openFlooredPolicy, type FlooredPolicy } from '../policy/floored-policy.js';
import { observeDecisions } from '../policy/observe-decisions.js';
import type { PolicyHolder } from '../policy/policy-holder.js';
import type { PolicyHookKit, ServiceDefinition } from './service-definition.js';

/** What the service decides by, with its check. The policy service, which makes the bundles, has a holder of its own, without `floored`. */
export async function openPolicyHolder<Config extends CommonConfig>(
  kit: PolicyHookKit<Config>,
  definition: ServiceDefinition<Config>,
): Promise<{ readonly policy: PolicyHolder; readonly floored?: FlooredPolicy }> {
  if (definition.policy !== undefined) {
    const policy = await definition.policy(kit);
    kit.health.register('policy', () => policyCheck(policy));
    return { policy };
  }
  const floored = await openFloored(kit);
  kit.health.register('policy', () => policyCheck(floored, floored.freshness));
  return { policy: floored, floored };
}

// Not `down`, however old the bundle is: a mesh that was off for days starts, and what is asked of it waits for the policy service.
function policyCheck(policy: PolicyHolder, freshness?: FlooredPolicy['freshness']): CheckResult {
  const current = policy.findPolicy();
  if (current === undefined) return { status: 'down', code: 'POLICY_UNAVAILABLE' };
  const facts = { bundleVersion: current.version };
  if (freshness === undefined) return { status: 'ok', facts };
  const isDoubtful = freshness.alarm() !== undefined || freshness.isTooOld();
  const attestationAgeSeconds = Math.round(freshness.ageMs() / SECOND);
  return { status: isDoubtful ? 'degraded' : 'ok', facts: { ...facts, attestationAgeSeconds } };
}

async function openFloored<Config extends CommonConfig>(kit: PolicyHookKit<Config>): Promise<FlooredPolicy> {
  const { config, dataSource, metrics, onShutdown } = kit;
  const floored = await openFlooredPolicy({
    ...kit,
    floor: makeBundleFloor(dataSource),
    trustRoot: config.trustRoot,
    maxBundleAgeMs: config.maxBundleAgeSeconds * SECOND,
    observe: (policy) => observeDecisions(policy, metrics),
  });
  onShutdown('policy watch', () => floored.stop());
  return floored;
}
