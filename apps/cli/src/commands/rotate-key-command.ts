import { connect, writeProfile, type Profile } from '@keymesh/client';
import { addPrincipalKeys, describePrincipal, failure, removePrincipalKeys } from '@keymesh/contracts';
import { KeymeshError } from '@keymesh/kernel';
import type { Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { print, printJson } from '../output.js';
import { dropPendingKeys, makePendingKeys, readPendingKeys, writePendingKeys } from '../pending-keys.js';
import { rotateKeys, type RotationMesh } from '../rotate-keys.js';

/** `principal rotate-key`: new keys for the profile's own principal. */
export const rotateKeyCommand = (): Command =>
  makeCommand(
    'rotate-key',
    'Give this profile’s principal new keys, without a gap; the old ones end. Give it again if it was interrupted.',
    'keymesh principal rotate-key --profile billing',
  ).action(async (options: CommonOptions) => {
    await runCommand('principal rotate-key', options, async (session) => {
      const profile = await session.profile();
      if (profile.session !== undefined)
        throw failure('USAGE', {
          publicMessage: `The profile "${profile.name}" is of a login, whose keys end by themselves. Use one that was enrolled.`,
        });
      const what = `rotate-${profile.name}`;
      const { home } = session;
      const keys = await rotateKeys(profile, {
        mesh,
        files: {
          readPending: () => readPendingKeys(home, what),
          writePending: (pending) => writePendingKeys(home, what, pending),
          dropPending: () => dropPendingKeys(home, what),
          writeProfile: (renewed) => writeProfile(home, renewed),
        },
        makeKeys: makePendingKeys,
        now: Date.now,
      });
      if (options.json) printJson({ principal: profile.principal, ...keys });
      else print(`${profile.principal} has new keys: ${keys.nkey} and ${keys.channelKey}.`);
    });
  });

const mesh: RotationMesh = {
  async ownKeys(profile) {
    try {
      await using keymesh = await connect({ profile });
      const { nkeys, channelKeys } = await keymesh.call(describePrincipal, { principal: profile.principal });
      return { nkeys, channelKeys };
    } catch (error) {
      if (isRefused(error)) return undefined;
      throw error;
    }
  },
  addKeys: (profile, statement) => send(profile, addPrincipalKeys, statement),
  removeKeys: (profile, statement) => send(profile, removePrincipalKeys, statement),
};

async function send(
  profile: Profile,
  contract: typeof addPrincipalKeys | typeof removePrincipalKeys,
  statement: string,
): Promise<void> {
  await using keymesh = await connect({ profile });
  await keymesh.call(contract, { statement });
}

const isRefused = (error: unknown): boolean =>
  KeymeshError.is(error) && (error.code === 'DENIED' || error.code === 'CHANNEL_REJECTED');
