// The filter of common passwords that the vault ships (apps/vault/data): made of the list of @zxcvbn-ts/language-common (MIT), 49,233 passwords
// that were seen most often in published leaks.
import { dictionary } from '@zxcvbn-ts/language-common';
import { writeCommonPasswords } from '../../apps/vault/dist/domain/quality/common-passwords.js';

/** Shorter ones break the length rule anyway, and of numbers that short too many would be taken for one. */
const MIN_CHARS = 6;

export const commonPasswordsFile = () => {
  const passwords = dictionary['passwords-common'].map((entry) => entry.toLowerCase());
  return writeCommonPasswords([...new Set(passwords)].filter(({ length }) => length >= MIN_CHARS).sort());
};
