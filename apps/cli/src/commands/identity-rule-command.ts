import {
  failure,
  listIdentityRules,
  setIdentityRule,
  type IdentityRuleDetails,
  type ReplyOf,
  type StatementOf,
} from '@keymesh/contracts';
import { Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions, type Session } from '../command.js';
import { readIdentityRule } from '../identity-rule-file.js';
import { makeStatement } from '../make-statement.js';
import { facts, note, print, printJson, table } from '../output.js';

/** `identity-rule put|list|show|remove`: which other proofs of identity stand for whom. */
export const identityRuleCommand = (): Command =>
  new Command('identity-rule')
    .description('Tokens and certificates that stand for principals.')
    .addCommand(putCommand())
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(removeCommand());

function putCommand(): Command {
  return makeCommand(
    'put',
    'Let a proof of identity stand for a principal, or change how: signed by your own key.',
    'keymesh identity-rule put billing-kubernetes.json',
  )
    .argument('<file>', 'JSON: ruleId, principal, identity, maxSessionSeconds, privileged')
    .action(async (file: string, options: CommonOptions) => {
      await runCommand('identity-rule put', options, async (session) => {
        const { ruleId, rule } = await readIdentityRule(file);
        const before = (await rulesOf(session)).find((known) => known.ruleId === ruleId);
        const reply = await send(session, ruleId, rule, before);
        if (options.json) printJson(reply);
        else {
          print(
            `${ruleId}: ${toldIdentity(rule)} is ${rule.principal}, ${String(rule.maxSessionSeconds)} s at a time.`,
          );
          if (before !== undefined && before.sessions > 0)
            note(`${String(before.sessions)} sessions by the rule as it was have ended.`);
        }
      });
    });
}

function listCommand(): Command {
  return makeCommand('list', 'Every identity rule.', 'keymesh identity-rule list').action(
    async (options: CommonOptions) => {
      await runCommand('identity-rule list', options, async (session) => {
        const rules = await rulesOf(session);
        if (options.json) {
          printJson({ rules });
          return;
        }
        const rows = rules.map((rule) => ({
          ...rule,
          proof: toldIdentity(rule),
          seconds: rule.maxSessionSeconds,
        }));
        print(table(rows, ['ruleId', 'principal', 'proof', 'seconds', 'privileged', 'sessions', 'setBy']));
        note(`For \`keymesh login\` elsewhere: --mesh-key ${(await session.profile()).meshPublicKey}`);
      });
    },
  );
}

function showCommand(): Command {
  return makeCommand('show', 'One identity rule, whole.', 'keymesh identity-rule show billing-kubernetes')
    .argument('<rule-id>')
    .action(async (ruleId: string, options: CommonOptions) => {
      await runCommand('identity-rule show', options, async (session) => {
        const rule = await findRule(session, ruleId);
        if (options.json) printJson(rule);
        else print(facts({ ...rule }));
      });
    });
}

function removeCommand(): Command {
  return makeCommand(
    'remove',
    'Let a proof of identity stand for nobody; its sessions end. Signed by your own key.',
    'keymesh identity-rule remove billing-kubernetes',
  )
    .argument('<rule-id>')
    .action(async (ruleId: string, options: CommonOptions) => {
      await runCommand('identity-rule remove', options, async (session) => {
        const before = await findRule(session, ruleId);
        const reply = await send(session, ruleId, null, before);
        if (options.json) printJson(reply);
        else print(`Removed ${ruleId}; ${String(before.sessions)} sessions have ended.`);
      });
    });
}

const rulesOf = async (session: Session): Promise<readonly IdentityRuleDetails[]> =>
  (await (await session.keymesh()).call(listIdentityRules, {})).rules;

async function findRule(session: Session, ruleId: string): Promise<IdentityRuleDetails> {
  const rule = (await rulesOf(session)).find((known) => known.ruleId === ruleId);
  if (rule !== undefined) return rule;
  throw failure('USAGE', {
    publicMessage: 'There is no such identity rule. See `keymesh identity-rule list`.',
  });
}

type Rule = StatementOf<'identity-rule.set'>['rule'];

async function send(
  session: Session,
  ruleId: string,
  rule: Rule,
  before: IdentityRuleDetails | undefined,
): Promise<ReplyOf<typeof setIdentityRule>> {
  const basedOn = before?.statementId ?? null;
  const statement = makeStatement(await session.profile(), {
    type: 'identity-rule.set',
    ruleId,
    rule,
    basedOn,
  });
  return (await session.keymesh()).call(setIdentityRule, { statement });
}

function toldIdentity({ identity }: Pick<IdentityRuleDetails, 'identity'>): string {
  if (identity.kind === 'certificate')
    return identity.spiffeId ?? `certificate CN=${identity.commonName ?? ''}`;
  const claims = Object.entries(identity.claims).map(([name, value]) => `${name}=${String(value)}`);
  return `${identity.issuer} ${claims.join(' ')}`;
}
