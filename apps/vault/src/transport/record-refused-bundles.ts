import type { ServiceKit } from '@keymesh/service-kit';
import { v7 as uuidv7 } from 'uuid';
import type { FlooredPolicy } from './floored-policy.js';

/** A bundle that is refused is an incident: somebody has the bundle key, or the broker. It is recorded; the last accepted one decides on. */
export function recordRefusedBundles(
  { journal, instance, clock, logger }: Pick<ServiceKit, 'journal' | 'instance' | 'clock' | 'logger'>,
  policy: Pick<FlooredPolicy, 'onRefused'>,
): void {
  policy.onRefused(({ because, bundleVersion }) => {
    journal
      .record({
        v: 1,
        id: uuidv7(),
        time: new Date(clock.now()).toISOString(),
        type: 'policy-bundle.refused',
        service: 'vault',
        instance,
        outcome: 'failure',
        code: 'POLICY_UNAVAILABLE',
        facts: { because, bundleVersion },
      })
      .catch((error: unknown) => logger.warn({ err: error }, 'a refused bundle could not be recorded'));
  });
}
