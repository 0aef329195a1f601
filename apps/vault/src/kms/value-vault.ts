import { encryptValue, makeDek, prepareValue, unwrapDek, wrapDek } from '@keymesh/crypto';
import { failure } from '@keymesh/contracts';
import { KeymeshError, type Secret } from '@keymesh/kernel';
import { v4 as uuidv4 } from 'uuid';
import { decodeValues, encodeValues, type Values } from '../domain/parts.js';
import type { SealedValue, ValueVault, VersionBinding } from '../domain/ports.js';
import type { Keyring, OpenKek } from './keyring.js';

/** Envelope encryption (DESIGN section 5): a fresh DEK for each version, wrapped by the namespace's KEK. */
export function makeValueVault(keyring: Keyring): ValueVault {
  const openSealed = makeOpenSealed();
  return {
    async openNamespace(name) {
      const kek = await keyring.activeKek(name);
      const { namespaceId } = kek;
      return {
        namespaceId,
        seal: (binding, values, options) => sealValues(kek, { ...binding, namespaceId }, values, options),
      };
    },
    async open(binding, sealed) {
      const kek = await keyring.kek(sealed.kekId);
      return openValues(kek, binding, sealed, openSealed);
    },
  };
}

function sealValues(
  kek: OpenKek,
  binding: VersionBinding,
  values: Values,
  options?: { readonly compress?: boolean },
): SealedValue {
  const dekId = uuidv4();
  using plaintext = encodeValues(values, options);
  using dek = makeDek();
  return {
    dekId,
    kekId: kek.kekId,
    kekVersion: kek.version,
    wrappedDek: wrapDek({ kek: kek.key, dek, binding: { dekId, kekId: kek.kekId, kekVersion: kek.version } }),
    ciphertext: encryptValue({ dek, plaintext, binding: { ...binding, dekId } }),
  };
}

type OpenSealed = (kek: OpenKek, binding: VersionBinding, sealed: SealedValue) => Secret;

/**
 * Opens sealed versions, with the keys of those that are in memory at hand. A key lives as long as both the very object that was read
 * from the row (a changed row is another object) and the KEK that unwrapped it: a lock or the KEK's time to live ends it too.
 */
function makeOpenSealed(): OpenSealed {
  const prepared = new WeakMap<
    SealedValue,
    { readonly kek: OpenKek; readonly binding: VersionBinding; readonly decrypt: () => Secret }
  >();
  return (kek, binding, sealed) => {
    const before = prepared.get(sealed);
    if (before?.kek === kek && isSamePlace(before.binding, binding)) return before.decrypt();
    const { dekId, kekId, kekVersion } = sealed;
    using dek = unwrapDek({
      kek: kek.key,
      wrapped: sealed.wrappedDek,
      binding: { dekId, kekId, kekVersion },
    });
    const decrypt = prepareValue({ dek, encrypted: sealed.ciphertext, binding: { ...binding, dekId } });
    prepared.set(sealed, { kek, binding, decrypt });
    return decrypt();
  };
}

// INVARIANT: a key that was derived for one place opens nothing for another.
const isSamePlace = (a: VersionBinding, b: VersionBinding): boolean =>
  a.namespaceId === b.namespaceId && a.credentialId === b.credentialId && a.version === b.version;

/** @throws CREDENTIAL_DAMAGED for every cause alike */
function openValues(
  kek: OpenKek,
  binding: VersionBinding,
  sealed: SealedValue,
  openSealed: OpenSealed,
): Values {
  // A KEK of another namespace would open nothing anyway: its id and the namespace's are bound in.
  if (kek.namespaceId !== binding.namespaceId || kek.version !== sealed.kekVersion)
    throw failure('CREDENTIAL_DAMAGED');
  try {
    using plaintext = openSealed(kek, binding, sealed);
    return decodeValues(plaintext);
  } catch (error) {
    if (KeymeshError.is(error) && error.code === 'DECRYPTION_FAILED') throw failure('CREDENTIAL_DAMAGED');
    throw error;
  }
}
