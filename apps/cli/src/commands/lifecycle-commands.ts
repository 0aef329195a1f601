import type { Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { wholeNumber } from '../option-values.js';
import { print, printJson } from '../output.js';
import { updateCommand } from './update-command.js';

/** update, activate, deactivate, delete, restore, destroy-version. */
export const lifecycleCommands = (): Command[] => [
  updateCommand(),
  setStatus('activate', 'Hand a deactivated credential out again.', 'It is handed out again.'),
  setStatus(
    'deactivate',
    'Hand a credential to nobody until it is activated; ends when no vault reveals it any more.',
    'Nobody gets it until it is activated.',
  ),
  remove(),
  restore(),
  destroyVersion(),
];

function setStatus(verb: 'activate' | 'deactivate', summary: string, done: string): Command {
  return makeCommand(verb, summary, `keymesh ${verb} billing/stripe`)
    .argument('<name>')
    .action(async (name: string, options: CommonOptions) => {
      await runCommand(verb, options, async (session) => {
        const reply = await (await session.keymesh()).credentials[verb](name);
        if (options.json) printJson(reply);
        else print(`${name} is ${reply.status}. ${done}`);
      });
    });
}

interface DeleteOptions extends CommonOptions {
  readonly recoveryDays?: string;
}

function remove(): Command {
  return makeCommand(
    'delete',
    'Delete a credential; nobody can retrieve it afterwards. It can be restored until its recovery window is over.',
    'keymesh delete billing/stripe',
  )
    .argument('<name>')
    .option(
      '--recovery-days <n>',
      'how long it can be restored (default: as the vault is configured; 0: destroy now)',
    )
    .action(async (name: string, options: DeleteOptions) => {
      await runCommand('delete', options, async (session) => {
        const { recoveryDays } = options;
        const reply = await (
          await session.keymesh()
        ).credentials.delete(
          name,
          recoveryDays === undefined ? {} : { recoveryDays: wholeNumber('--recovery-days', recoveryDays) },
        );
        if (options.json) printJson(reply);
        else if (reply.recoverableUntil === null) print(`Deleted ${name}. All its versions are destroyed.`);
        else
          print(
            `Deleted ${name}. Until ${reply.recoverableUntil} \`keymesh restore ${name}\` brings it back.`,
          );
      });
    });
}

interface RestoreOptions extends CommonOptions {
  readonly as?: string;
  readonly id?: boolean;
}

function restore(): Command {
  return makeCommand(
    'restore',
    'Take a deletion back: the same id and versions. By name, that of the one deleted last.',
    'keymesh restore billing/stripe',
  )
    .argument('<name>', 'its name, or with --id its id (keymesh list --status deleted)')
    .option('--as <name>', 'another name of the same namespace, where its own is taken')
    .option('--id', 'the argument is the id of a credential')
    .action(async (named: string, options: RestoreOptions) => {
      await runCommand('restore', options, async (session) => {
        const { as, id } = options;
        const reply = await (
          await session.keymesh()
        ).credentials.restore(id === true ? { credentialId: named } : named, as === undefined ? {} : { as });
        if (options.json) printJson(reply);
        else print(`Restored ${reply.name}: version ${String(reply.version)} is current.`);
      });
    });
}

function destroyVersion(): Command {
  return makeCommand(
    'destroy-version',
    'Destroy a previous or revoked version for ever. Nobody can bring it back.',
    'keymesh destroy-version billing/stripe 3',
  )
    .argument('<name>')
    .argument('<version>', 'its number (keymesh history NAME)')
    .action(async (name: string, version: string, options: CommonOptions) => {
      await runCommand('destroy-version', options, async (session) => {
        const number = wholeNumber('The version', version);
        const reply = await (await session.keymesh()).credentials.destroyVersion(name, number);
        if (options.json) printJson(reply);
        else print(`Destroyed version ${version} of ${name}.`);
      });
    });
}
