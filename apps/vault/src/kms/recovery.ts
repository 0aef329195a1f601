import { readFileSync, statSync } from 'node:fs';
import { failure } from '@keymesh/contracts';
import { Secret } from '@keymesh/kernel';
import {
  checkShares,
  joinShares,
  makeRecoveryOpener,
  readRecoveryPublicKey,
  readShare,
  sealForRecovery,
  type RecoveryOpener,
  type RecoveryPublicKey,
  type RecoveryShare,
} from '@keymesh/recovery';
import { textOfContext } from './bound-context.js';
import type { Kms } from './kms.js';
import { kmsUnavailable } from './kms-failures.js';

export interface RecoveryKmsOptions {
  /** As `keymesh recovery init` wrote it. */
  readonly publicKeyFile: string;
  /** One share each, mode 0600. Empty: keys are wrapped for recovery and not unwrapped, which is the rule. */
  readonly shareFiles: readonly string[];
}

/**
 * Recovery by people: wraps to a public key, and unwraps only while enough shares of its private half are at hand.
 * @throws CONFIG_INVALID for a file that is not there, damaged or readable by others; RECOVERY_SHARES_INVALID for shares that are too few,
 * doubled or of another key. Altered ones are noticed when they are first used.
 */
export function makeRecoveryKms({ publicKeyFile, shareFiles }: RecoveryKmsOptions): Kms {
  const recovery = readRecoveryPublicKey(readText(publicKeyFile, 'KEYMESH_KMS_RECOVERY_PUBLIC_KEY_FILE'));
  const opener =
    shareFiles.length === 0 ? undefined : makeLazyOpener(recovery, readShares(recovery, shareFiles));
  return {
    provider: 'recovery',
    keyId: recovery.keyId,
    ...(opener === undefined ? { wrapsOnly: true } : { dispose: opener.dispose }),
    async wrapKey(plain, context) {
      // It could: a public key is enough. But what was let go of does no work.
      if (opener?.isDisposed() === true) throw kmsUnavailable('recovery', 'disposed');
      return sealForRecovery(recovery, textOfContext(context), plain);
    },
    async unwrapKey(wrapped, context) {
      if (opener === undefined) throw kmsUnavailable('recovery', 'no shares: it only wraps');
      const open = await opener.get();
      return open(textOfContext(context), wrapped);
    },
  };
}

/** Joins the shares once, when they are first needed, and keeps the private key only as one that cannot be exported. */
function makeLazyOpener(recovery: RecoveryPublicKey, shares: readonly RecoveryShare[]) {
  let opened: Promise<RecoveryOpener> | undefined;
  let disposed = false;
  const wipeShares = (): void => {
    for (const { body } of shares) body.dispose();
  };
  const join = async (): Promise<RecoveryOpener> => {
    try {
      using privateKey = await joinShares(shares, recovery.keyId);
      return await makeRecoveryOpener(privateKey);
    } finally {
      wipeShares();
    }
  };
  const dispose = (): void => {
    disposed = true;
    wipeShares();
    opened = Promise.reject(kmsUnavailable('recovery', 'disposed'));
    opened.catch(() => undefined);
  };
  return { get: () => (opened ??= join()), dispose, isDisposed: () => disposed };
}

function readShares(recovery: RecoveryPublicKey, files: readonly string[]): RecoveryShare[] {
  const shares = files.map((file) => {
    using text = new Secret(readOwn(file), 'recovery-share-text');
    return readShare(text);
  });
  checkShares(shares, recovery.keyId);
  return shares;
}

function readOwn(path: string): Uint8Array {
  const file = statSync(path, { throwIfNoEntry: false });
  if (file === undefined) throw invalid('KEYMESH_KMS_RECOVERY_SHARE_FILES', 'a file is not there');
  if ((file.mode & 0o077) !== 0)
    throw invalid(
      'KEYMESH_KMS_RECOVERY_SHARE_FILES',
      'a file must be readable by its owner only (chmod 600)',
    );
  return new Uint8Array(readFileSync(path));
}

function readText(path: string, variable: string): string {
  if (statSync(path, { throwIfNoEntry: false }) === undefined)
    throw invalid(variable, 'the file is not there');
  return readFileSync(path, 'utf8');
}

const invalid = (variable: string, rule: string) =>
  failure('CONFIG_INVALID', { publicMessage: `${variable}: ${rule}.` });
