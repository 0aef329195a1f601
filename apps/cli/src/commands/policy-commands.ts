import { Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { print, printJson, table } from '../output.js';
import { readPolicyFiles } from '../policy-files.js';

/** `policy validate`, and what else there is to say about policies; further subcommands have files of their own. */
export const policyCommand = (): Command =>
  new Command('policy')
    .description('Who may what: policies in Cedar’s language, written and signed by operators.')
    .addCommand(validate());

function validate(): Command {
  return makeCommand(
    'validate',
    'Check policies against the schema, here: no mesh is asked.',
    'keymesh policy validate policies/',
  )
    .argument('<path...>', '.cedar files, or folders of them')
    .action(async (paths: readonly string[], options: CommonOptions) => {
      await runCommand('policy validate', options, async () => {
        const policies = await readPolicyFiles(paths);
        const told = policies.map(({ file, policyId, twoPerson }) => ({ file, policyId, twoPerson }));
        if (options.json) printJson(told);
        else print(table(told, ['policyId', 'twoPerson', 'file']));
      });
    });
}
