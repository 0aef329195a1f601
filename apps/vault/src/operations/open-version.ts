import { KeymeshError } from '@keymesh/kernel';
import type { Values } from '../domain/parts.js';
import type { Lookup, ValueVault, VersionBinding, VersionReader } from '../domain/ports.js';

export interface OpenVersionPorts {
  readonly versions: Pick<VersionReader, 'read' | 'readAgain'>;
  readonly values: Pick<ValueVault, 'open'>;
}

/**
 * Opens a version of what was looked up. Memory may know it as it was wrapped before a rewrap of this very second, by a key that is destroyed
 * meanwhile: whoever finds it damaged asks the row before saying so.
 * @param onRead told when the sealed version is here. @returns undefined when Postgres holds a newer revision of the credential: look it up again.
 * @throws VERSION_NOT_FOUND, CREDENTIAL_DAMAGED, KMS_UNAVAILABLE, STORE_UNAVAILABLE, VAULT_LOCKED
 */
export async function openVersion(
  { versions, values }: OpenVersionPorts,
  lookup: Lookup,
  binding: VersionBinding,
  onRead: () => void,
): Promise<Values | undefined> {
  const sealed = await versions.read(lookup, binding.version);
  if (sealed === undefined) return undefined;
  onRead();
  try {
    return await values.open(binding, sealed);
  } catch (error) {
    if (!(KeymeshError.is(error) && error.code === 'CREDENTIAL_DAMAGED')) throw error;
    const row = await versions.readAgain(lookup, binding.version);
    if (row === undefined) return undefined;
    if (row.kekId === sealed.kekId && row.dekId === sealed.dekId) throw error;
    return values.open(binding, row);
  }
}
