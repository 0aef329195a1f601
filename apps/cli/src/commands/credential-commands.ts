import { failure, ROTATION_ADAPTERS, type CredentialMetadata } from '@keymesh/contracts';
import type { Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { facts, note, print, printJson, table } from '../output.js';

/** list, describe, history, rotate, delete: what needs no value. */
export const credentialCommands = (): Command[] => [list(), describe(), history(), rotate(), remove()];

interface ListOptions extends CommonOptions {
  readonly namespace?: string;
  readonly type?: CredentialMetadata['type'];
  readonly provider?: string;
  readonly tag?: string;
}

function list(): Command {
  return makeCommand(
    'list',
    'List the credentials that you may see.',
    'keymesh list --provider alpha_vantage',
  )
    .option('--namespace <name>', 'only of this namespace')
    .option('--type <type>', 'only of this type')
    .option('--provider <name>', 'only of this provider')
    .option('--tag <tag>', 'only with this tag')
    .action(async (options: ListOptions) => {
      await runCommand('list', options, async (session) => {
        const { namespace, type, provider, tag } = options;
        const filter = Object.fromEntries(
          Object.entries({ namespace, type, provider, tag }).filter(([, value]) => value !== undefined),
        );
        const credentials = await (await session.keymesh()).credentials.list(filter);
        if (options.json) {
          printJson(credentials);
          return;
        }
        if (credentials.length === 0) {
          note('No credentials that you may see. Store one with `keymesh store NAME --type api_key`.');
          return;
        }
        print(
          table(credentials, [
            'name',
            'type',
            'provider',
            'version',
            'isActive',
            'versionCreatedAt',
            'description',
          ]),
        );
      });
    });
}

function describe(): Command {
  return makeCommand(
    'describe',
    'Everything about a credential but its value.',
    'keymesh describe billing/stripe',
  )
    .argument('<name>')
    .action(async (name: string, options: CommonOptions) => {
      await runCommand('describe', options, async (session) => {
        const credential = await (await session.keymesh()).credentials.describe(name);
        if (options.json) printJson(credential);
        else print(facts(credential));
      });
    });
}

function history(): Command {
  return makeCommand(
    'history',
    'The versions of a credential, newest first.',
    'keymesh history billing/stripe',
  )
    .argument('<name>')
    .action(async (name: string, options: CommonOptions) => {
      await runCommand('history', options, async (session) => {
        const reply = await (await session.keymesh()).credentials.history(name);
        if (options.json) printJson(reply);
        else print(table(reply.versions, ['version', 'stage', 'createdAt', 'createdBy']));
      });
    });
}

function rotate(): Command {
  return makeCommand(
    'rotate',
    `Rotate a credential now (adapters: ${ROTATION_ADAPTERS.join(', ')}).`,
    'keymesh rotate billing/stripe',
  )
    .argument('<name>')
    .action(async (name: string, options: CommonOptions) => {
      await runCommand('rotate', options, async (session) => {
        const rotation = await (await session.keymesh()).credentials.rotate(name);
        if (rotation.state === 'failed') {
          throw failure('ROTATION_FAILED', {
            publicMessage: `The rotation failed (${rotation.reason ?? 'no reason given'}); the old version still works.`,
          });
        }
        if (options.json) printJson(rotation);
        else if (rotation.state === 'done')
          print(`Rotated ${name}: version ${String(rotation.version)} is current.`);
        else
          print(
            `Rotation ${rotation.rotationId} of ${name} goes on in the background; next step: ${rotation.state}.`,
          );
      });
    });
}

function remove(): Command {
  return makeCommand(
    'delete',
    'Delete a credential; nobody can retrieve it afterwards.',
    'keymesh delete billing/stripe',
  )
    .argument('<name>')
    .action(async (name: string, options: CommonOptions) => {
      await runCommand('delete', options, async (session) => {
        const reply = await (await session.keymesh()).credentials.delete(name);
        if (options.json) printJson(reply);
        else print(`Deleted ${name}.`);
      });
    });
}
