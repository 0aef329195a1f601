import { failure, listPolicies, validatePolicy } from '@keymesh/contracts';
import { BUILT_IN_POLICIES } from '@keymesh/policy-engine';
import { Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { facts, note, print, printJson, table } from '../output.js';
import { readPolicyFiles } from '../policy-files.js';
import { allPolicies, requirePolicy, type DescribedPolicy } from '../written-policies.js';
import { confirmCommand, putCommand, removeCommand, rollbackCommand } from './policy-change-commands.js';
import { testCommand } from './policy-test-command.js';

/** `policy …`: what there is and what is checked is here; further subcommands have files of their own. */
export const policyCommand = (): Command =>
  new Command('policy')
    .description('Who may what: policies in Cedar’s language, written and signed by operators.')
    .addCommand(validate())
    .addCommand(putCommand())
    .addCommand(list())
    .addCommand(show())
    .addCommand(removeCommand())
    .addCommand(confirmCommand())
    .addCommand(rollbackCommand())
    .addCommand(testCommand());

function validate(): Command {
  return makeCommand(
    'validate',
    'Check policies against the schema, here: no mesh is asked, unless --mesh is given.',
    'keymesh policy validate policies/',
  )
    .argument('<path...>', '.cedar files, or folders of them')
    .option('--mesh', 'also ask the mesh, whose release may know another schema')
    .action(async (paths: readonly string[], options: CommonOptions & { readonly mesh?: boolean }) => {
      await runCommand('policy validate', options, async (session) => {
        const policies = await readPolicyFiles(paths);
        const rows = policies.map(({ file, policyId, twoPerson }) => ({ file, policyId, twoPerson }));
        const problems: string[] = [];
        for (const { file, policyId, cedar } of options.mesh === true ? policies : []) {
          const reply = await (await session.keymesh()).call(validatePolicy, { policyId, cedar });
          for (const { line, column, rule } of reply.problems)
            problems.push(`${file}:${String(line ?? 1)}:${String(column ?? 1)}: ${rule}`);
        }
        if (problems.length > 0) throw invalid(problems);
        if (options.json) printJson(rows);
        else print(table(rows, ['policyId', 'twoPerson', 'file']));
      });
    });
}

interface ListOptions extends CommonOptions {
  readonly builtIn?: boolean;
}

function list(): Command {
  return makeCommand(
    'list',
    'The policies in force, and changes that wait.',
    'keymesh policy list --built-in',
  )
    .option('--built-in', 'the policies of this release: what each role may')
    .action(async (options: ListOptions) => {
      await runCommand('policy list', options, async (session) => {
        const first = await (
          await session.keymesh()
        ).call(listPolicies, { builtIn: options.builtIn === true });
        const policies = first.next === null ? first.policies : await allPolicies(session);
        const { waiting, builtIn, bundleVersion } = first;
        if (options.json) {
          printJson({ bundleVersion, policies, waiting, ...(options.builtIn === true ? { builtIn } : {}) });
          return;
        }
        print(table(policies, ['policyId', 'twoPerson', 'setBy', 'setAt', 'confirmedBy']));
        if (waiting.length > 0)
          print(
            `\nwaiting for a second person:\n${table(waiting, ['policyId', 'removes', 'setBy', 'setAt', 'statementId'])}`,
          );
        for (const { id, cedar } of builtIn) print(`\n// ${id}\n${cedar}`);
      });
    });
}

interface ShowOptions extends CommonOptions {
  readonly history?: boolean;
}

function show(): Command {
  return makeCommand(
    'show',
    'One policy: its text, what waits, and with --history who wrote what and when.',
    'keymesh policy show prod-needs-approval --history',
  )
    .argument('<id>', 'as `keymesh policy list` names it; also a built-in one, e.g. role.reader')
    .option('--history', 'all its versions, newest first, with their texts')
    .action(async (policyId: string, options: ShowOptions) => {
      await runCommand('policy show', options, async (session) => {
        const builtIn = BUILT_IN_POLICIES.find(({ id }) => id === policyId);
        if (builtIn !== undefined) {
          if (options.json) printJson(builtIn);
          else print(`// built in\n${builtIn.cedar}`);
          return;
        }
        const described = await requirePolicy(session, policyId);
        if (options.json) printJson(described);
        else tell(described, options.history === true);
      });
    });
}

function tell({ policyId, inForce, waiting, history, earlier }: DescribedPolicy, withHistory: boolean): void {
  if (inForce === null) note(`There is no policy ${policyId} in force.`);
  else {
    const { cedar, ...rest } = inForce;
    print(`${facts(rest)}\n\n${cedar}`);
  }
  if (waiting !== null)
    print(
      `\nwaiting since ${waiting.setAt}, by ${waiting.setBy} (keymesh policy confirm ${policyId}):\n${waiting.cedar ?? '(its removal)'}`,
    );
  if (!withHistory) return;
  for (const { cedar, ...version } of history) print(`\n${facts(version)}\n${cedar ?? '(removed)'}`);
  if (earlier > 0) note(`and ${String(earlier)} earlier ones`);
}

const invalid = (problems: readonly string[]) =>
  failure('POLICY_INVALID', { publicMessage: problems.join('\n') });
