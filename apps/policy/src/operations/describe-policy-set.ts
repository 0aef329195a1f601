import type { describePolicySet, EffectivePolicy } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import { authorized } from '../domain/authorize.js';
import { knownPolicySet, withAuthor } from '../domain/policy-sets.js';
import { ALL_POLICIES, type PolicyInsightPorts } from './list-policy-sets.js';

/** Of the reply's JSON: well below a message's 900 KiB. */
const MAX_REPLY_CHARS = 400 * 1024;

/** The policies by which a bundle version decided, and who wrote them. Recorded before it is told. @throws POLICY_NOT_FOUND */
export const makeDescribePolicySet =
  (ports: PolicyInsightPorts): Handler<typeof describePolicySet> =>
  async ({ bundleVersion: wanted, skip }, call) => {
    const { book, policySets, record, makeRecord } = ports;
    const resource = { ...ALL_POLICIES, attributes: {} };
    const asked = { action: 'policy.read', type: 'policy-set.described', resource } as const;
    return authorized(ports, call, asked, async (decision) => {
      const { version, directory } = book.current();
      const bundleVersion = wanted ?? version;
      const { digest, policies } = await knownPolicySet(policySets, bundleVersion);
      const page = firstThatFit(policies.slice(skip).map((policy) => withAuthor(directory, policy)));
      const facts = { bundleVersion, policies: page.length };
      await record({
        record: makeRecord('policy-set.described', 'success', {
          ...{ call, decision, resource: ALL_POLICIES, facts },
        }),
      });
      const next = skip + page.length;
      return { bundleVersion, digest, policies: page, nextSkip: next < policies.length ? next : null };
    });
  };

/** At least one, where there is one. */
function firstThatFit(policies: readonly EffectivePolicy[]): EffectivePolicy[] {
  let chars = 0;
  const tooMany = policies.findIndex((policy, index) => {
    chars += JSON.stringify(policy).length;
    return index > 0 && chars > MAX_REPLY_CHARS;
  });
  return policies.slice(0, tooMany === -1 ? policies.length : tooMany);
}
