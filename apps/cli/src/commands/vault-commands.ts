import { lockVault, unlockVault, vaultStatus, type ReplyOf } from '@keymesh/contracts';
import { Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { facts, note, print, printJson } from '../output.js';

/** `vault lock|unlock|status`. */
export const vaultCommand = (): Command =>
  new Command('vault')
    .description('Lock and unlock the vault.')
    .addCommand(lock())
    .addCommand(unlock())
    .addCommand(status());

function lock(): Command {
  return makeCommand(
    'lock',
    'Drop every key that opens a value, on every instance, until somebody unlocks the vault.',
    'keymesh vault lock',
  ).action(async (options: CommonOptions) => {
    await runCommand('vault lock', options, async (session) => {
      tell(await (await session.keymesh()).call(lockVault, {}), 'locked', options);
    });
  });
}

function unlock(): Command {
  return makeCommand('unlock', 'Let keys be fetched through the KMS again.', 'keymesh vault unlock').action(
    async (options: CommonOptions) => {
      await runCommand('vault unlock', options, async (session) => {
        tell(await (await session.keymesh()).call(unlockVault, {}), 'unlocked', options);
      });
    },
  );
}

function tell(reply: ReplyOf<typeof lockVault>, state: string, { json }: CommonOptions): void {
  if (json) {
    printJson(reply);
    return;
  }
  print(`The vault is ${reply.locked ? 'locked' : 'unlocked'}.`);
  for (const { instance, obeyed } of reply.instances)
    print(`  ${obeyed ? '✓' : '?'} ${instance}${obeyed ? '' : ' has not answered'}`);
  if (reply.instances.some(({ obeyed }) => !obeyed))
    note(`An instance that runs and reaches the database is ${state} within a second all the same.`);
}

function status(): Command {
  return makeCommand(
    'status',
    'Whether the vault is locked, by whom, and which instances there are.',
    'keymesh vault status',
  ).action(async (options: CommonOptions) => {
    await runCommand('vault status', options, async (session) => {
      const reply = await (await session.keymesh()).call(vaultStatus, {});
      if (options.json) {
        printJson(reply);
        return;
      }
      const { others, ...rest } = reply;
      print(facts({ ...rest, others: others.join(', ') || 'none' }));
    });
  });
}
