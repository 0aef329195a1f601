import type { Keymesh, Profile } from '@keymesh/client';
import {
  describeShadow,
  reportShadow,
  setShadow,
  type ReplyOf,
  type ShadowPolicies,
} from '@keymesh/contracts';
import { shadowDigestOf } from '@keymesh/policy-engine';
import { Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { makeStatement } from '../make-statement.js';
import { note, print, printJson, table } from '../output.js';
import { readPolicyFiles } from '../policy-files.js';

/** `policy shadow put|show|stop`: policies that are evaluated live and decide nothing. */
export const shadowCommand = (): Command =>
  new Command('shadow')
    .description('Policies evaluated live beside those that decide: what they would change, before they can.')
    .addCommand(put())
    .addCommand(show())
    .addCommand(stop());

function put(): Command {
  return makeCommand(
    'put',
    'Put policies into the shadow: all that operators would have written. They decide nothing.',
    'keymesh policy shadow put policies/',
  )
    .argument('<path...>', '.cedar files, or folders of them')
    .action(async (paths: readonly string[], options: CommonOptions) => {
      await runCommand('policy shadow put', options, async (session) => {
        const files = await readPolicyFiles(paths);
        const policies = files.map(({ policyId, cedar }) => ({ policyId, cedar }));
        const reply = await sayShadow(await session.keymesh(), await session.profile(), policies);
        if (options.json) printJson(reply);
        else
          print(
            `In the shadow: ${policies.map(({ policyId }) => policyId).join(', ')}. What would change: keymesh policy shadow show.`,
          );
      });
    });
}

function stop(): Command {
  return makeCommand('stop', 'End the shadow.', 'keymesh policy shadow stop').action(
    async (options: CommonOptions) => {
      await runCommand('policy shadow stop', options, async (session) => {
        const reply = await sayShadow(await session.keymesh(), await session.profile(), null);
        if (options.json) printJson(reply);
        else print('There is nothing in the shadow any more.');
      });
    },
  );
}

/** Signed by the policy writer's own key, like what decides. @param policies null: ends it */
function sayShadow(keymesh: Keymesh, profile: Profile, policies: ShadowPolicies | null) {
  const digest = policies === null ? null : shadowDigestOf(policies);
  const statement = makeStatement(profile, { type: 'policy.shadow-set', digest });
  return keymesh.call(setShadow, { statement, policies: policies ?? [] });
}

function show(): Command {
  return makeCommand(
    'show',
    'What is in the shadow, and what it would have decided otherwise so far.',
    'keymesh policy shadow show',
  ).action(async (options: CommonOptions) => {
    await runCommand('policy shadow show', options, async (session) => {
      const keymesh = await session.keymesh();
      const { shadow } = await keymesh.call(describeShadow, {});
      const report = shadow === null ? null : await keymesh.call(reportShadow, { shadowId: shadow.shadowId });
      if (options.json) printJson({ shadow, report });
      else if (shadow === null || report === null) print('There is nothing in the shadow.');
      else tell(shadow, report);
    });
  });
}

type Shadow = NonNullable<ReplyOf<typeof describeShadow>['shadow']>;

function tell({ setBy, setAt, policies }: Shadow, report: ReplyOf<typeof reportShadow>): void {
  const { evaluated, different, skipped, differences, more } = report;
  const ids = policies?.map(({ policyId }) => policyId).join(', ');
  print(
    `In the shadow since ${setAt}, by ${setBy}: ${ids === undefined || ids === '' ? 'no policies' : ids}.`,
  );
  if (policies === null) note('The texts were lost with a database: put them again.');
  print(
    `${String(evaluated)} decisions made again, ${String(different)} of them otherwise; ${String(skipped)} passed over.`,
  );
  if (differences.length > 0)
    print(
      table(
        differences.map(({ from, to, resourceKind, firstAt, lastAt, ...difference }) => ({
          ...difference,
          ...{ on: resourceKind, change: `${from} → ${to}`, first: firstAt, last: lastAt },
        })),
        ['principal', 'action', 'on', 'change', 'count', 'first', 'last', 'because'],
      ),
    );
  if (more > 0) note(`${String(more)} more are not listed.`);
}
