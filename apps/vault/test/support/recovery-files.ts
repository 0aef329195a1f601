import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  makeRecoveryPrivateKey,
  publicHalfOf,
  splitRecoveryKey,
  writeRecoveryPublicKey,
} from '@keymesh/recovery';

export interface RecoveryFiles {
  readonly publicKeyFile: string;
  readonly shareFiles: readonly string[];
}

/** A recovery key made for a spec, as files like those of `keymesh recovery init`. */
export async function writeRecoveryFiles(
  folder: string,
  split: { readonly shares: number; readonly threshold: number },
): Promise<RecoveryFiles> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  using privateKey = makeRecoveryPrivateKey();
  const publicKeyFile = join(folder, 'recovery.pub');
  await writeFile(
    publicKeyFile,
    `${writeRecoveryPublicKey({ publicKey: publicHalfOf(privateKey), ...split })}\n`,
  );
  const shareFiles = [];
  for (const [at, text] of (await splitRecoveryKey(privateKey, split)).entries()) {
    const path = join(folder, `share-${String(at + 1)}`);
    await writeFile(path, text.expose(), { mode: 0o600 });
    shareFiles.push(path);
  }
  return { publicKeyFile, shareFiles };
}
