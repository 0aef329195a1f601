import type { listPolicies } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import { BUILT_IN_POLICIES } from '@keymesh/policy-engine';
import { authorized, type OperationPorts } from '../domain/authorize.js';
import type { Record } from '../domain/ports.js';

/** Characters of policies in one reply; a message of the bus is at most 900 KiB, and a character up to three bytes. */
const MAX_CHARS = 250_000;

/** The policies in force, by id, a page at a time. Recorded before it is told. */
export const makeListPolicies =
  (ports: OperationPorts & { readonly record: Record }): Handler<typeof listPolicies> =>
  async ({ after = '', builtIn = false }, call) => {
    const { book, makeRecord, record } = ports;
    const resource = { kind: 'policy', id: '*', attributes: {} } as const;
    const asked = { action: 'policy.read', type: 'policy.listed', resource } as const;
    return authorized(ports, call, asked, async (decision) => {
      const { directory, version: bundleVersion } = book.current();
      const rest = directory.policies.filter(({ policyId }) => policyId > after);
      const policies = firstPage(rest);
      const facts = { policies: policies.length, builtIn };
      await record({ record: makeRecord('policy.listed', 'success', { call, decision, facts }) });
      return {
        bundleVersion,
        policies: [...policies],
        waiting: directory.pendingPolicies.map(({ cedar, basedOn: _seen, ...pending }) => ({
          ...pending,
          removes: cedar === null,
        })),
        builtIn: builtIn ? BUILT_IN_POLICIES.map((policy) => ({ ...policy })) : [],
        next: policies.length < rest.length ? (policies.at(-1)?.policyId ?? null) : null,
      };
    });
  };

/** At least one, and no more than fit. */
function firstPage<P extends { readonly cedar: string }>(policies: readonly P[]): readonly P[] {
  let chars = 0;
  const end = policies.findIndex(({ cedar }) => (chars += cedar.length + 500) > MAX_CHARS);
  return end === -1 ? policies : policies.slice(0, Math.max(end, 1));
}
