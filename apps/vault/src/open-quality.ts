import type { Clock } from '@keymesh/kernel';
import { openBreachedFile } from './domain/quality/breached-file.js';
import { readCommonPasswords } from './domain/quality/common-passwords.js';
import type { CredentialPolicyOf } from './domain/quality/credential-policy.js';
import { guessBits } from './domain/quality/guessability.js';
import { makeJudgeValue, type JudgeValue } from './domain/quality/judge-value.js';

export interface VaultQuality {
  readonly credentialPolicyOf: CredentialPolicyOf;
  readonly judgeValue: JudgeValue;
}

interface QualityOptions {
  readonly breachedPasswordsFile: string | undefined;
  readonly clock: Clock;
  readonly onShutdown: (name: string, close: () => Promise<void>) => void;
}

/** Opens the lists that values are held against. @throws CONFIG_INVALID when that of breached passwords is none. */
export async function openQuality(
  { breachedPasswordsFile: path, clock, onShutdown }: QualityOptions,
  credentialPolicyOf: CredentialPolicyOf,
): Promise<VaultQuality> {
  const breached = path === undefined ? undefined : await openBreachedFile(path);
  if (breached !== undefined) onShutdown('breached passwords', () => breached.close());
  const lists = { isCommon: readCommonPasswords(), isBreached: breached?.isBreached };
  return {
    credentialPolicyOf,
    judgeValue: makeJudgeValue({ ...lists, guessBits, credentialPolicyOf, clock }),
  };
}
