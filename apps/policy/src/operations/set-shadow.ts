import { failure, type ReplyOf, type setShadow, type ShadowPolicies } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { shadowDigestOf, tellProblem } from '@keymesh/policy-engine';
import { authorized, contentOf, requestKey, type OperationPorts } from '../domain/authorize.js';
import { readFreshStatement } from '../domain/fresh-statement.js';
import { problemsOf } from '../domain/policy-text.js';
import type { Record } from '../domain/ports.js';
import { ALL_POLICIES } from './list-policy-sets.js';

/** So that every bundle has room for what decides. */
const MAX_SHADOW_CHARS = 250_000;

/**
 * Whoever writes policies puts some into the shadow, by an own signature, or ends it. Nothing is decided by them: the vault evaluates them
 * beside and sums up what they would have changed. @throws POLICY_INVALID, PAYLOAD_TOO_LARGE, STATEMENT_REJECTED
 */
export const makeSetShadow =
  (ports: OperationPorts & { readonly clock: Clock; readonly record: Record }): Handler<typeof setShadow> =>
  async ({ statement: text, policies }, call) => {
    const { book, makeRecord, clock } = ports;
    const said = readFreshStatement(text, 'policy.shadow-set', call, clock);
    const { digest, statementId } = said;
    const resource = { ...ALL_POLICIES, attributes: {} };
    const asked = {
      action: 'policy.write',
      type: 'policy-shadow.set',
      resource,
      content: contentOf(said),
    } as const;
    return authorized(ports, call, asked, (decision) => {
      checkShadow(digest, policies);
      return book.change<ReplyOf<typeof setShadow>>(requestKey(call), ({ directory }) => {
        const reply = (bundleVersion: number) => ({
          shadowId: digest === null ? null : statementId,
          bundleVersion,
        });
        if (directory.statements.includes(text)) return { records: [], reply };
        directory.extend([text]); // STATEMENT_REJECTED comes from here, before anything is written
        const facts = { statementId, policies: policies.length, digest: digest ?? 'none' };
        const record = makeRecord('policy-shadow.set', 'success', {
          ...{ call, decision, facts, resource: ALL_POLICIES },
        });
        return { change: { statements: [text], shadow: policies }, records: [{ record }], reply };
      });
    });
  };

function checkShadow(digest: string | null, policies: ShadowPolicies): void {
  const isSigned = digest === null ? policies.length === 0 : shadowDigestOf(policies) === digest;
  if (!isSigned)
    throw failure('STATEMENT_REJECTED', {
      publicMessage: 'The signed statement is refused: it is not about these policies.',
    });
  if (policies.reduce((sum, { cedar }) => sum + cedar.length, 0) > MAX_SHADOW_CHARS)
    throw failure('PAYLOAD_TOO_LARGE', {
      publicMessage: `The shadow takes ${String(MAX_SHADOW_CHARS)} characters of policies at most.`,
    });
  const ids = policies.map(({ policyId }) => policyId);
  const problems = policies.flatMap(({ policyId, cedar }) => problemsOf(policyId, cedar).map(tellProblem));
  const twice = ids
    .filter((id, index) => ids.indexOf(id) !== index)
    .map((id) => `${id}: there are two of it`);
  if (problems.length + twice.length > 0)
    throw failure('POLICY_INVALID', {
      publicMessage: `Nothing was changed.\n${[...problems, ...twice].join('\n')}`,
    });
}
