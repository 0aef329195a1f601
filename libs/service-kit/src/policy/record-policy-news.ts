import type { ErrorCode } from '@keymesh/contracts';
import { SECOND } from '@keymesh/kernel';
import { v7 as uuidv7 } from 'uuid';
import type { ServiceKit } from '../tokens.js';
import type { FlooredPolicy } from './floored-policy.js';
import type { PolicyNews } from './policy-news.js';

/**
 * Records a bundle that is refused (somebody has the bundle key, or the broker), one that nobody vouches for any more (the policy service is
 * away, or somebody holds bundles or answers back), and the end of that. The last accepted one decides meanwhile.
 */
export function recordPolicyNews(
  {
    name,
    journal,
    instance,
    clock,
    logger,
  }: Pick<ServiceKit, 'name' | 'journal' | 'instance' | 'clock' | 'logger'>,
  policy: Pick<FlooredPolicy, 'onNews'>,
): void {
  policy.onNews((news, bundleVersion) => {
    const isGood = news.kind === 'attested';
    logger[isGood ? 'info' : 'error']({ ...news, bundleVersion }, `policy bundle ${news.kind}`);
    journal
      .record({
        v: 1,
        id: uuidv7(),
        time: new Date(clock.now()).toISOString(),
        type: `policy-bundle.${news.kind}`,
        service: name,
        instance,
        outcome: isGood ? 'success' : 'failure',
        ...(isGood ? {} : { code: 'POLICY_UNAVAILABLE' satisfies ErrorCode }),
        facts: factsOf(news, bundleVersion),
      })
      .catch((error: unknown) =>
        logger.warn({ err: error }, 'news of the policy bundle could not be recorded'),
      );
  });
}

const factsOf = (news: PolicyNews, bundleVersion: number): Record<string, string | number> => ({
  ...('because' in news ? { because: news.because } : {}),
  bundleVersion,
  ...('ageMs' in news ? { ageSeconds: Math.round(news.ageMs / SECOND) } : {}),
});
