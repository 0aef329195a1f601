import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { hasDebian, unpackDebianPackage } from './debian.mjs';
import { SayError, step } from './progress.mjs';

/** Where packages and Homebrew put the module. */
const INSTALLED = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib64/pkcs11/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so',
  '/opt/homebrew/lib/softhsm/libsofthsm2.so',
];

/**
 * Provides SoftHSM2, the token of the PKCS#11 tests: KEYMESH_SOFTHSM, where packages put it, the project's cache, or Debian's package, unpacked into
 * the cache.
 * @param {{ root: string }} options
 * @returns {Promise<string>} path of the PKCS#11 module, `libsofthsm2.so`.
 */
export async function provideSofthsm({ root }) {
  const given = process.env.KEYMESH_SOFTHSM;
  if (given !== undefined && given !== '') return given;
  const folder = join(root, '.keymesh-tools', 'softhsm');
  const find = () => [...INSTALLED, ...unpacked(folder)].find((path) => existsSync(path));
  const found = find();
  if (found !== undefined) return found;
  if (!hasDebian())
    throw new SayError(
      'The PKCS#11 tests need SoftHSM2. Install it (package softhsm2 or softhsm), or set KEYMESH_SOFTHSM to its libsofthsm2.so.',
    );
  await step("Getting SoftHSM2 (Debian's package)", (note) =>
    unpackDebianPackage('libsofthsm2', folder, note),
  );
  const module = find();
  if (module === undefined) throw new SayError('The package libsofthsm2 does not hold libsofthsm2.so.');
  return module;
}

/** The folder in between names the processor. */
function unpacked(folder) {
  const libraries = join(folder, 'usr', 'lib');
  return existsSync(libraries)
    ? readdirSync(libraries).map((name) => join(libraries, name, 'softhsm', 'libsofthsm2.so'))
    : [];
}
