import { describeTemplate, listTemplates } from '@keymesh/contracts';
import { Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { facts, print, printJson, table } from '../output.js';

/** `template list|show`: named starting points for `store --template`. */
export const templateCommand = (): Command =>
  new Command('template')
    .description('Starting points for common credentials; use one with `keymesh store NAME --template …`.')
    .addCommand(list())
    .addCommand(show());

function list(): Command {
  return makeCommand('list', 'The templates of this mesh.', 'keymesh template list').action(
    async (options: CommonOptions) => {
      await runCommand('template list', options, async (session) => {
        const { templates } = await (await session.keymesh()).call(listTemplates, {});
        if (options.json) printJson(templates);
        else print(table(templates, ['name', 'type', 'provider', 'origin', 'summary']));
      });
    },
  );
}

function show(): Command {
  return makeCommand('show', 'One template.', 'keymesh template show stripe')
    .argument('<name>')
    .action(async (name: string, options: CommonOptions) => {
      await runCommand('template show', options, async (session) => {
        const template = await (await session.keymesh()).call(describeTemplate, { name });
        if (options.json) printJson(template);
        else print(facts(template));
      });
    });
}
