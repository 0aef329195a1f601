import { CreateVault1795305600000 } from './1795305600000-create-vault.js';

/** In order; an applied one is never changed. */
export const vaultMigrations = [CreateVault1795305600000];
