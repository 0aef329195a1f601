import { failure, type describePolicy } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import { policyVersions } from '@keymesh/policy-engine';
import { authorized, policyResource, type OperationPorts } from '../domain/authorize.js';
import type { Record } from '../domain/ports.js';

/** Versions told at most: so many of the longest texts fit into a message. */
const MAX_VERSIONS = 30;

/** One policy: its text, what waits, and who wrote and confirmed what. Recorded before it is told. */
export const makeDescribePolicy =
  (ports: OperationPorts & { readonly record: Record }): Handler<typeof describePolicy> =>
  async ({ policyId }, call) => {
    const { book, makeRecord, record } = ports;
    const resource = policyResource(book.current(), policyId);
    const asked = { action: 'policy.read', type: 'policy.described', resource } as const;
    return authorized(ports, call, asked, async (decision) => {
      const { directory } = book.current();
      const versions = policyVersions(directory, policyId).toReversed();
      if (versions.length === 0) throw failure('POLICY_NOT_FOUND');
      const about = { resource: { kind: 'policy', id: policyId } };
      await record({ record: makeRecord('policy.described', 'success', { call, decision, ...about }) });
      return {
        policyId,
        inForce: directory.policies.find((policy) => policy.policyId === policyId) ?? null,
        waiting: versions.find(({ state }) => state === 'waiting') ?? null,
        history: versions.slice(0, MAX_VERSIONS),
        earlier: Math.max(0, versions.length - MAX_VERSIONS),
      };
    });
  };
