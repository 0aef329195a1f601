import { OK, refused, type ProviderAdapter } from '../domain/ports.js';
import { createByVault } from './create-by-vault.js';
import type { Vault } from '../domain/ports.js';

/** The shortest value that the vault generates (contracts: `generate.lengthChars`). */
export const MIN_GENERATED_BYTES = 16;

/**
 * Values that only Keymesh itself defines: the vault generates them and there is no provider to tell.
 * The test makes sure that the new version opens, has the parts of the old one, is long enough and differs from it.
 */
export const makeGeneratedAdapter = (vault: Vault): ProviderAdapter => ({
  create: createByVault(vault),
  set: () => Promise.resolve(OK),
  test: async ({ reveal }) => {
    using fresh = await reveal('new');
    using old = await reveal('old');
    const names = Object.keys(fresh.values);
    if (names.length === 0 || names.join() !== Object.keys(old.values).join()) return refused('TEST_FAILED');
    const generated = names.filter((name) => name !== 'username');
    const good = generated.every((name) => {
      const value = fresh.values[name];
      const before = old.values[name];
      return (
        value !== undefined && value.sizeBytes >= MIN_GENERATED_BYTES && !(before?.equals(value) ?? false)
      );
    });
    return good ? OK : refused('TEST_FAILED');
  },
  rollback: () => Promise.resolve(OK),
});
