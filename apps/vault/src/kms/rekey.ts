import { decryptValue, encryptValue, makeDek, unwrapDek, wrapDek } from '@keymesh/crypto';
import { failure } from '@keymesh/contracts';
import { KeymeshError, type Secret } from '@keymesh/kernel';
import { v4 as uuidv4 } from 'uuid';
import type { SealedValue, VersionBinding } from '../domain/ports.js';
import type { Keyring, OpenKek } from './keyring.js';

/** A sealed value, where it belongs, the KEK that wraps it and the one that shall. Both KEKs are of the value's namespace. */
export interface Rekey {
  readonly binding: VersionBinding;
  readonly sealed: SealedValue;
  readonly from: OpenKek;
  readonly to: OpenKek;
}

/**
 * The same data key and ciphertext, wrapped by another KEK.
 * INVARIANT: what is returned was opened from its own bytes: its data key equals the one before (constant time) and opens the value.
 * @throws CREDENTIAL_DAMAGED when the value does not open as it is; then it should stay as it is.
 */
export function rewrapSealed({ binding, sealed, from, to }: Rekey): SealedValue {
  return damagedUnlessOpen(() => {
    using dek = unwrapWith(from, binding, sealed);
    const rewrapped = { ...sealed, kekId: to.kekId, kekVersion: to.version };
    const written = { ...rewrapped, wrappedDek: wrapDek({ kek: to.key, dek, binding: rewrapped }) };
    using read = unwrapWith(to, binding, written);
    if (!read.equals(dek))
      throw failure('INTERNAL', { details: { reason: 'a wrapped key reads back as another' } });
    decryptWith(read, binding, written).dispose();
    return written;
  });
}

/** The same value under a new data key, wrapped by `to`. INVARIANT and errors as {@link rewrapSealed}. */
export function reencryptSealed({ binding, sealed, from, to }: Rekey): SealedValue {
  return damagedUnlessOpen(() => {
    using plaintext = openWith(from, binding, sealed);
    using dek = makeDek();
    const bound = { dekId: uuidv4(), kekId: to.kekId, kekVersion: to.version };
    const written = {
      ...bound,
      wrappedDek: wrapDek({ kek: to.key, dek, binding: bound }),
      ciphertext: encryptValue({ dek, plaintext, binding: { ...binding, dekId: bound.dekId } }),
    };
    using read = openWith(to, binding, written);
    if (!read.equals(plaintext))
      throw failure('INTERNAL', { details: { reason: 'a value reads back as another' } });
    return written;
  });
}

function openWith(kek: OpenKek, binding: VersionBinding, sealed: SealedValue): Secret {
  using dek = unwrapWith(kek, binding, sealed);
  return decryptWith(dek, binding, sealed);
}

function unwrapWith(kek: OpenKek, { namespaceId }: VersionBinding, sealed: SealedValue): Secret {
  const { dekId, kekId, kekVersion, wrappedDek: wrapped } = sealed;
  if (kek.namespaceId !== namespaceId || kek.version !== kekVersion) throw failure('CREDENTIAL_DAMAGED');
  return unwrapDek({ kek: kek.key, wrapped, binding: { dekId, kekId, kekVersion } });
}

const decryptWith = (dek: Secret, binding: VersionBinding, { ciphertext, dekId }: SealedValue): Secret =>
  decryptValue({ dek, encrypted: ciphertext, binding: { ...binding, dekId } });

function damagedUnlessOpen<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (KeymeshError.is(error) && error.code === 'DECRYPTION_FAILED') throw failure('CREDENTIAL_DAMAGED');
    throw error;
  }
}

/** Which layer of a sealed value does not open: for reports. @throws KMS_UNAVAILABLE, STORE_UNAVAILABLE */
export const makeDiagnose =
  (keyring: Pick<Keyring, 'kek'>) =>
  async (
    { namespaceId, credentialId }: Pick<VersionBinding, 'namespaceId' | 'credentialId'>,
    sealed: SealedValue & { readonly version: number },
  ): Promise<'kek-damaged' | 'data-key-damaged' | 'value-damaged'> => {
    const kek = await keyring.kek(sealed.kekId).catch(noneIfDamaged);
    if (kek === undefined) return 'kek-damaged';
    try {
      unwrapWith(kek, { namespaceId, credentialId, version: sealed.version }, sealed).dispose();
      return 'value-damaged';
    } catch {
      return 'data-key-damaged';
    }
  };

function noneIfDamaged(error: unknown): undefined {
  if (KeymeshError.is(error) && error.code === 'CREDENTIAL_DAMAGED') return undefined;
  throw error;
}
