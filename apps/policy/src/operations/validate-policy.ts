import type { validatePolicy } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import { authorized, policyResource, type OperationPorts } from '../domain/authorize.js';
import { problemsOf } from '../domain/policy-text.js';
import type { Record } from '../domain/ports.js';

/** What setPolicy would say of a text, without a change. Recorded before it is told. */
export const makeValidatePolicy =
  (ports: OperationPorts & { readonly record: Record }): Handler<typeof validatePolicy> =>
  async ({ policyId, cedar }, call) => {
    const { book, makeRecord, record } = ports;
    const resource = policyResource(book.current(), policyId);
    const asked = { action: 'policy.read', type: 'policy.validated', resource } as const;
    return authorized(ports, call, asked, async (decision) => {
      const problems = problemsOf(policyId, cedar);
      const facts = { problems: problems.length };
      const about = { resource: { kind: 'policy', id: policyId } };
      await record({
        record: makeRecord('policy.validated', 'success', { call, decision, facts, ...about }),
      });
      return { problems: problems.map(({ line, column, rule }) => ({ line, column, rule })) };
    });
  };
