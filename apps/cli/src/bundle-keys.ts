import { readFile } from 'node:fs/promises';
import type { OpenWith, SealFor } from '@keymesh/client/transfer';
import { failure } from '@keymesh/contracts';
import type { Secret } from '@keymesh/kernel';
import { warnIfReadable } from './private-file.js';
import { readValue } from './value-input.js';

// An export leaves the mesh: its passphrase is all that stands before whoever finds the file, with as much time as they like.
const MIN_PASSPHRASE_CHARS = 12;

/** For whom to encrypt: recipients, else a passphrase from a file or, twice, from a hidden prompt. @throws USAGE */
export async function readSealFor({
  recipient = [],
  passphraseFile,
}: {
  readonly recipient?: readonly string[];
  readonly passphraseFile?: string;
}): Promise<SealFor & Partial<Disposable>> {
  if (recipient.length > 0) return { recipients: recipient };
  const passphrase = await readPassphrase(passphraseFile, 'Passphrase for the export (hidden):');
  if (passphrase.sizeBytes < MIN_PASSPHRASE_CHARS)
    throw failure('USAGE', {
      publicMessage: `The passphrase needs at least ${MIN_PASSPHRASE_CHARS} characters. Four random words are better still.`,
    });
  if (passphraseFile === undefined) {
    using again = await readPassphrase(undefined, 'Once more (hidden):');
    if (!passphrase.equals(again)) throw failure('USAGE', { publicMessage: 'The passphrases differ.' });
  }
  return { passphrase };
}

/** What opens a bundle: the secret keys in a file, else a passphrase. @throws USAGE */
export async function readOpenWith({
  identity,
  passphraseFile,
}: {
  readonly identity?: string;
  readonly passphraseFile?: string;
}): Promise<OpenWith> {
  if (identity === undefined)
    return { passphrase: await readPassphrase(passphraseFile, 'Passphrase of the export (hidden):') };
  await warnIfReadable(identity);
  const text = await readFile(identity, 'utf8').catch((cause: unknown) => {
    throw failure('USAGE', { publicMessage: 'The identity file cannot be read.', cause });
  });
  const identities = text.split(/\s*\n/).filter((line) => line !== '' && !line.startsWith('#'));
  if (identities.length === 0)
    throw failure('USAGE', { publicMessage: 'The identity file holds no AGE-SECRET-KEY-….' });
  return { identities };
}

async function readPassphrase(file: string | undefined, prompt: string): Promise<Secret> {
  if (file === undefined && !process.stdin.isTTY)
    throw failure('USAGE', { publicMessage: 'Without a terminal, give --passphrase-file FILE.' });
  if (file !== undefined && file !== '-') await warnIfReadable(file);
  return readValue({ file, exact: false, prompt });
}
