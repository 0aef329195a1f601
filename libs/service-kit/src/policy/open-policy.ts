import { failure, type TrustRoot } from '@keymesh/contracts';
import { systemClock, type Clock } from '@keymesh/kernel';
import { followsOn, makePolicyEngine, openBundle, shadowSetOf } from '@keymesh/policy-engine';
import type { CurrentPolicy } from './policy-holder.js';

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
  if (
    previous !== undefined &&
    bundle.version > previous.version &&
    !followsOn(directory, previous.directory)
  )
    throw failure('POLICY_UNAVAILABLE', { details: { because: 'the bundle leaves out what was accepted' } });
  return {
    version: bundle.version,
    engine: makePolicyEngine(bundle, directory),
    directory,
    shadow: shadowSetOf(bundle, directory),
  };
}
