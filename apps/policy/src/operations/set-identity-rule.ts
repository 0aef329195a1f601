import { X509Certificate } from 'node:crypto';
import { failure, type ReplyOf, type setIdentityRule, type StatementOf } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { authorize, contentOf, requestKey, type OperationPorts } from '../domain/authorize.js';
import { readFreshStatement } from '../domain/fresh-statement.js';

type Rule = StatementOf<'identity-rule.set'>['rule'];

/** An operator lets a proof of identity stand for a principal, or no longer. Sessions by the rule as it was end with the change. */
export const makeSetIdentityRule =
  (ports: OperationPorts & { readonly clock: Clock }): Handler<typeof setIdentityRule> =>
  async ({ statement: text }, call) => {
    const { book, makeRecord, clock } = ports;
    const said = readFreshStatement(text, 'identity-rule.set', call, clock);
    const { ruleId, rule } = said;
    const decision = await authorize(ports, call, {
      action: 'principal.write',
      type: 'identity-rule.set',
      ...(rule === null ? {} : { subject: rule.principal }),
      content: contentOf(said),
    });
    checkAuthority(rule);
    return book.change<ReplyOf<typeof setIdentityRule>>(requestKey(call), ({ directory }) => {
      const reply = (bundleVersion: number) => ({ ruleId, bundleVersion });
      if (directory.statements.includes(text)) return { records: [], reply };
      directory.extend([text]); // STATEMENT_REJECTED comes from here, before anything is written
      const ended = directory.sessions().filter((session) => session.ruleId === ruleId);
      const record = makeRecord('identity-rule.set', 'success', {
        ...{ call, decision, facts: { ruleId, ...factsOf(rule), endedSessions: ended.length } },
        ...(rule === null ? {} : { subject: rule.principal }),
      });
      const endedSessions = ended.map(({ nkey }) => nkey);
      return { change: { statements: [text], endedSessions }, records: [{ record }], reply };
    });
  };

const factsOf = (rule: Rule) =>
  rule === null
    ? { removed: true }
    : { proof: rule.identity.kind, maxSessionSeconds: rule.maxSessionSeconds, privileged: rule.privileged };

/** Here and not in the fold: what OpenSSL reads may change, what a statement means may not. @throws STATEMENT_REJECTED */
function checkAuthority(rule: Rule): void {
  if (rule?.identity.kind !== 'certificate') return;
  try {
    if (new X509Certificate(rule.identity.authority).ca) return;
  } catch {
    // told below
  }
  throw failure('STATEMENT_REJECTED', {
    publicMessage: 'The signed statement is refused: its authority is no certificate of an authority.',
  });
}
