import { failure, type TrustRoot } from '@keymesh/contracts';
import { KeymeshError, systemClock, type Clock } from '@keymesh/kernel';
import { watchPolicyBundle, type MeshConnection } from '@keymesh/mesh';
import { followsOn, makePolicyEngine, openBundle } from '@keymesh/policy-engine';
import type { Logger } from '../telemetry/logger.js';
import type { Metrics } from '../telemetry/metrics.js';
import { observeDecisions } from './observe-decisions.js';
import { makePolicyHolder, type CurrentPolicy, type PolicyHolder } from './policy-holder.js';

export interface WatchPolicyOptions {
  readonly connection: MeshConnection;
  readonly trustRoot: TrustRoot;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

/**
 * Follows the bundle in the bucket POLICY. A bundle counts only if its signatures hold and its version is higher; any other is refused,
 * logged and counted, and the last accepted one goes on deciding.
 */
export function watchPolicy(options: WatchPolicyOptions): PolicyHolder & { stop(): void } {
  const { connection, trustRoot, logger, metrics, clock } = options;
  const holder = makePolicyHolder();
  const onBundle = (bytes: Uint8Array): void => {
    try {
      const policy = openPolicy(bytes, trustRoot, { previous: holder.findPolicy(), clock });
      const accepted = holder.accept(observeDecisions(policy, metrics));
      metrics.policyBundles.inc({ result: accepted ? 'accepted' : 'not-newer' });
      if (!accepted) return;
      metrics.policyBundleVersion.set(policy.version);
      logger.info({ bundleVersion: policy.version }, 'policy bundle accepted');
    } catch (error) {
      metrics.policyBundles.inc({ result: 'refused' });
      logger.error(
        { err: error, code: KeymeshError.is(error) ? error.code : 'INTERNAL' },
        'policy bundle refused',
      );
    }
  };
  const watch = watchPolicyBundle(connection, onBundle);
  return { ...holder, stop: () => watch.stop() };
}

/**
 * Opens a bundle and makes its engine.
 * @param previous the bundle that was accepted before: a newer one has all its statements, or it is refused.
 * @throws POLICY_UNAVAILABLE, STATEMENT_REJECTED when it does not hold.
 */
export function openPolicy(
  bytes: Uint8Array,
  trustRoot: TrustRoot,
  {
    previous,
    clock = systemClock,
  }: { readonly previous?: CurrentPolicy | undefined; readonly clock?: Clock } = {},
): CurrentPolicy {
  const { bundle, directory } = openBundle(bytes, trustRoot, { previous: previous?.directory, clock });
  if (previous !== undefined && bundle.version > previous.version && !followsOn(bundle, previous.directory))
    throw failure('POLICY_UNAVAILABLE', { details: { because: 'the bundle leaves out what was accepted' } });
  return { version: bundle.version, engine: makePolicyEngine(bundle, directory), directory };
}
