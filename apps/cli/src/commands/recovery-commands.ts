import { mkdir, open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { failure } from '@keymesh/contracts';
import { Secret, utf8 } from '@keymesh/kernel';
import {
  checkShares,
  joinShares,
  makeRecoveryPrivateKey,
  publicHalfOf,
  readRecoveryPublicKey,
  readShare,
  recoveryKeyId,
  splitRecoveryKey,
  writeRecoveryPublicKey,
  type RecoveryShare,
} from '@keymesh/recovery';
import { Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { note, print, printJson } from '../output.js';

interface InitOptions extends CommonOptions {
  readonly shares: string;
  readonly threshold: string;
  readonly out: string;
}

/** `recovery init|verify`: the key that opens the vault when a KMS is lost. Works without a mesh, on a machine without a network. */
export const recoveryCommand = (): Command =>
  new Command('recovery')
    .description('The recovery key: held by people in shares, for the day that a KMS is lost.')
    .addCommand(init())
    .addCommand(verify());

function init(): Command {
  return makeCommand(
    'init',
    'Make a recovery key: a file for the vault, and one file for each holder. Prints nothing secret.',
    'keymesh recovery init --shares 5 --threshold 3 --out ./recovery',
  )
    .requiredOption('--shares <n>', 'how many people hold a share (2 to 32)')
    .requiredOption('--threshold <m>', 'how many of them are needed (2 to as many as there are)')
    .requiredOption('--out <folder>', 'a new or empty folder for the files')
    .action(async (options: InitOptions) => {
      await runCommand('recovery init', options, async () => {
        const split = { shares: Number(options.shares), threshold: Number(options.threshold) };
        const made = await makeRecoveryKey(options.out, split);
        if (options.json) {
          printJson({ ...made, ...split });
          return;
        }
        print(`Made recovery key ${made.keyId}: any ${split.threshold} of ${split.shares} shares open it.`);
        print(`  for the vault:   ${made.publicKeyFile} (KEYMESH_KMS_RECOVERY_PUBLIC_KEY_FILE)`);
        for (const [at, file] of made.shareFiles.entries()) print(`  for holder ${at + 1}:    ${file}`);
        note('Give each holder one share file, then delete them here. Nobody can make a lost share again.');
      });
    });
}

/** Writes the shares and, once they have been read back and do open the key, the public key: without it no vault wraps for them. */
async function makeRecoveryKey(
  folder: string,
  split: { readonly shares: number; readonly threshold: number },
): Promise<{
  readonly keyId: string;
  readonly publicKeyFile: string;
  readonly shareFiles: readonly string[];
}> {
  using privateKey = makeRecoveryPrivateKey();
  const publicKey = publicHalfOf(privateKey);
  const texts = await splitRecoveryKey(privateKey, split);
  await makeEmptyFolder(folder);
  const shareFiles: string[] = [];
  for (const [at, text] of texts.entries()) {
    using share = text;
    const path = join(folder, `share-${at + 1}-of-${split.shares}.txt`);
    // EXPOSE: the holder's file, which nobody else may read, is where this share lives.
    await writeNew(path, share.expose(), 0o600);
    shareFiles.push(path);
  }
  for (const files of [shareFiles.slice(0, split.threshold), shareFiles.slice(-split.threshold)])
    (await openShares(await readShares(files), recoveryKeyId(publicKey))).dispose();
  const publicKeyFile = join(folder, 'recovery.pub');
  await writeNew(publicKeyFile, utf8(`${writeRecoveryPublicKey({ publicKey, ...split })}\n`), 0o644);
  return { keyId: recoveryKeyId(publicKey), publicKeyFile, shareFiles };
}

function verify(): Command {
  return makeCommand(
    'verify',
    'Whether share files are undamaged, belong together and open their recovery key.',
    'keymesh recovery verify share-1-of-5.txt share-3-of-5.txt share-4-of-5.txt',
  )
    .argument(
      '<share-file...>',
      'files of shares (never the shares themselves: a command line is seen by others)',
    )
    .option('--public-key <file>', 'recovery.pub that they must be of')
    .action(async (files: string[], options: CommonOptions & { readonly publicKey?: string }) => {
      await runCommand('recovery verify', options, async () => {
        const wanted = options.publicKey === undefined ? undefined : await readPublicKey(options.publicKey);
        const shares = await readShares(files);
        if (!options.json)
          for (const { index, shares: count, keyId } of shares)
            print(`share ${index} of ${count} of recovery key ${keyId}: undamaged`);
        (await openShares(shares, wanted?.keyId)).dispose();
        const [first] = shares;
        if (options.json)
          printJson({ keyId: first?.keyId, shares: shares.map(({ index }) => index), opens: true });
        else print(`Together they open it; ${String(first?.threshold)} are needed.`);
      });
    });
}

/** @returns the private key, which the caller disposes; the shares are wiped. @throws RECOVERY_SHARES_INVALID */
async function openShares(shares: readonly RecoveryShare[], keyId?: string): Promise<Secret> {
  try {
    checkShares(shares, keyId);
    return await joinShares(shares, keyId);
  } finally {
    for (const { body } of shares) body.dispose();
  }
}

async function readShares(files: readonly string[]): Promise<RecoveryShare[]> {
  const shares: RecoveryShare[] = [];
  for (const file of files) {
    using text = new Secret(await readBytes(file), 'recovery-share-text');
    shares.push(readShare(text));
  }
  return shares;
}

const readPublicKey = async (file: string) =>
  readRecoveryPublicKey(Buffer.from(await readBytes(file)).toString('utf8'));

async function readBytes(file: string): Promise<Uint8Array> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw failure('USAGE', { publicMessage: `${file} cannot be read. Name a file that is there.`, cause });
  });
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

async function makeEmptyFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if ((await readdir(folder)).length > 0)
    throw failure('USAGE', {
      publicMessage: `${folder} is not empty. Name a new folder: shares are never overwritten.`,
    });
}

/** A new file, on disk when this returns. */
async function writeNew(path: string, bytes: Uint8Array, mode: number): Promise<void> {
  const file = await open(path, 'wx', mode);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}
