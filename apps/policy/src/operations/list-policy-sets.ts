import type { listPolicySets } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import { authorized, type OperationPorts } from '../domain/authorize.js';
import type { PolicySets } from '../domain/policy-sets.js';
import type { Record } from '../domain/ports.js';

export interface PolicyInsightPorts extends OperationPorts {
  readonly policySets: PolicySets;
  readonly record: Record;
}

/** About policies as a whole. */
export const ALL_POLICIES = { kind: 'policy', id: '*' } as const;
const PAGE = 2_000;

/** Which bundle versions decided by the same policies. Recorded before it is told. */
export const makeListPolicySets =
  (ports: PolicyInsightPorts): Handler<typeof listPolicySets> =>
  async ({ fromVersion }, call) => {
    const resource = { ...ALL_POLICIES, attributes: {} };
    const asked = { action: 'policy.read', type: 'policy-set.listed', resource } as const;
    return authorized(ports, call, asked, async (decision) => {
      const sets = await ports.policySets.list(fromVersion, PAGE);
      const facts = { sets: sets.length };
      await ports.record({
        record: ports.makeRecord('policy-set.listed', 'success', {
          ...{ call, decision, resource: ALL_POLICIES, facts },
        }),
      });
      const last = sets.at(-1);
      const nextVersion = last === undefined || sets.length < PAGE ? null : last.lastVersion + 1;
      return { sets: sets.map((set) => ({ ...set })), nextVersion };
    });
  };
