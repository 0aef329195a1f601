import { SECOND } from '@keymesh/kernel';
import type { CurrentPolicy, PolicyHolder } from './policy-holder.js';

const PATIENCE_MS = 3 * SECOND;

/**
 * The bundle that decides now; right after the start it may take a moment to come.
 * @throws POLICY_UNAVAILABLE when there is none after three seconds: the message comes again.
 */
export async function firstPolicy(policy: PolicyHolder): Promise<CurrentPolicy> {
  const known = policy.findPolicy();
  if (known !== undefined) return known;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, PATIENCE_MS);
    const stop = policy.onChange(() => {
      clearTimeout(timer);
      resolve();
    });
    setTimeout(stop, PATIENCE_MS).unref();
  });
  return policy.currentPolicy();
}
