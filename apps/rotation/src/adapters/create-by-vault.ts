import type { ProviderAdapter, Vault } from '../domain/ports.js';

/** The `create` step of adapters whose value the vault generates: for the same rotation the same pending version. */
export const createByVault =
  (vault: Vault): ProviderAdapter['create'] =>
  async ({ workflow }) => ({ ok: true, version: (await vault.prepare(workflow)).version });
