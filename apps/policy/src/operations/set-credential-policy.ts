import { createHash } from 'node:crypto';
import { failure, parseCredentialPolicy, type ReplyOf, type setCredentialPolicy } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import {
  authorized,
  contentOf,
  CREDENTIAL_POLICY,
  requestKey,
  type OperationPorts,
} from '../domain/authorize.js';
import { readFreshStatement } from '../domain/fresh-statement.js';
import type { Record } from '../domain/ports.js';

/**
 * Whoever writes policies writes the credential policy, or takes it back, by an own signature. The vault goes by it with the next bundle.
 * What the vault could not read is not taken.
 */
export const makeSetCredentialPolicy =
  (
    ports: OperationPorts & { readonly clock: Clock; readonly record: Record },
  ): Handler<typeof setCredentialPolicy> =>
  async ({ statement: text }, call) => {
    const { book, makeRecord, clock } = ports;
    const said = readFreshStatement(text, 'credential-policy.set', call, clock);
    const { document, statementId } = said;
    const resource = CREDENTIAL_POLICY;
    const asked = {
      action: 'policy.write',
      type: 'credential-policy.set',
      resource,
      content: contentOf(said),
    } as const;
    return authorized(ports, call, asked, (decision) => {
      if (document !== null) checkDocument(document);
      return book.change<ReplyOf<typeof setCredentialPolicy>>(requestKey(call), ({ directory }) => {
        const state = document === null ? ('removed' as const) : ('in-force' as const);
        const reply = (bundleVersion: number) => ({ statementId, state, bundleVersion });
        if (directory.statements.includes(text)) return { records: [], reply };
        directory.extend([text]); // STATEMENT_REJECTED comes from here, before anything is written
        const facts = { statementId, textHash: document === null ? 'none' : sha256(document) };
        const about = { resource: { kind: resource.kind, id: resource.id } };
        const record = makeRecord('credential-policy.set', 'success', { call, decision, facts, ...about });
        return { change: { statements: [text] }, records: [{ record }], reply };
      });
    });
  };

function checkDocument(text: string): void {
  const { problems } = parseCredentialPolicy(text);
  if (problems.length > 0)
    throw failure('POLICY_INVALID', {
      publicMessage: `The credential policy is not valid: ${problems.join('; ')}.`,
    });
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
