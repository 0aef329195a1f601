import { destroyKey, failure, keyStatus, rotateKey } from '@keymesh/contracts';
import { Command } from 'commander';
import { makeCommand, type CommonOptions } from '../command.js';
import { runKeyCommand } from '../key-command.js';
import { note, print, printJson, table } from '../output.js';
import {
  cancelCommand,
  jobCommand,
  jobsCommand,
  reencryptCommand,
  rewrapCommand,
} from './key-job-commands.js';

/** `key status|rotate|rewrap|reencrypt|jobs|job|cancel|destroy`. */
export const keyCommand = (): Command =>
  new Command('key')
    .description('The keys of namespaces: rotate, rewrap, reencrypt.')
    .addCommand(status())
    .addCommand(rotate())
    .addCommand(rewrapCommand())
    .addCommand(reencryptCommand())
    .addCommand(jobsCommand())
    .addCommand(jobCommand())
    .addCommand(cancelCommand())
    .addCommand(destroy());

function status(): Command {
  return makeCommand(
    'status',
    'Key versions, their age, and how much each still wraps.',
    'keymesh key status',
  )
    .argument('[namespace]', 'only of this namespace')
    .action(async (namespace: string | undefined, options: CommonOptions) => {
      await runKeyCommand(options, 'status', async (keymesh) => {
        const reply = await keymesh.call(keyStatus, namespace === undefined ? {} : { namespace });
        if (options.json) {
          printJson(reply);
          return;
        }
        const rows = reply.keks.map((kek) => ({
          ...kek,
          age: days(kek.ageSeconds),
          wrappedBy: kek.provider,
        }));
        print(table(rows, ['namespace', 'version', 'state', 'age', 'rows', 'wrappedBy', 'providerKeyId']));
        for (const { purpose, provider, providerKeyId } of reply.systemKeys)
          print(`system key ${purpose}: ${provider} ${providerKeyId}`);
        print(`wrapped from now on by: ${reply.root.provider} ${reply.root.providerKeyId}`);
      });
    });
}

const days = (seconds: number): string => `${(seconds / 86_400).toFixed(1)} d`;

function rotate(): Command {
  return makeCommand(
    'rotate',
    'Give a namespace a new key version. Older ones go on opening what they wrapped.',
    'keymesh key rotate billing',
  )
    .argument('<namespace>')
    .action(async (namespace: string, options: CommonOptions) => {
      await runKeyCommand(options, 'rotate', async (keymesh) => {
        const reply = await keymesh.call(rotateKey, { namespace });
        if (options.json) {
          printJson(reply);
          return;
        }
        print(`${namespace}: key version ${String(reply.version)} wraps from now on.`);
        note(`Move what older versions wrap with \`keymesh key rewrap ${namespace}\`.`);
      });
    });
}

function destroy(): Command {
  return makeCommand(
    'destroy',
    'Destroy a retired key version that wraps nothing any more.',
    'keymesh key destroy billing 1',
  )
    .argument('<namespace>')
    .argument('<version>')
    .action(async (namespace: string, version: string, options: CommonOptions) => {
      if (!/^[1-9]\d{0,8}$/.test(version))
        throw failure('USAGE', {
          publicMessage: 'The version is a number from 1. See `keymesh key status`.',
        });
      await runKeyCommand(options, 'destroy', async (keymesh) => {
        const reply = await keymesh.call(destroyKey, { namespace, version: Number(version) });
        if (options.json) printJson(reply);
        else print(`${namespace}: key version ${version} is destroyed.`);
      });
    });
}
