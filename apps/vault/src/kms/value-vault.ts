import { createSecretKey, type KeyObject } from 'node:crypto';
import { decryptValue, encryptValue, makeDek, unwrapDek, wrapDek } from '@keymesh/crypto';
import { failure } from '@keymesh/contracts';
import { KeymeshError } from '@keymesh/kernel';
import { v4 as uuidv4 } from 'uuid';
import { decodeValues, encodeValues, type Values } from '../domain/parts.js';
import type { SealedValue, ValueVault, VersionBinding } from '../domain/ports.js';
import type { Keyring, OpenKek } from './keyring.js';

/** Envelope encryption (DESIGN section 5): a fresh DEK for each version, wrapped by the namespace's KEK. */
export function makeValueVault(keyring: Keyring): ValueVault {
  const unwrapped = makeUnwrappedDeks();
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
      return openValues(kek, binding, sealed, unwrapped);
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

type UnwrappedDeks = (kek: OpenKek, sealed: SealedValue) => KeyObject;

/**
 * DEKs of the sealed versions that are in memory, unwrapped. A DEK lives as long as both the very object that was read from the row (a
 * changed row is another object) and the KEK that unwrapped it: a lock or the KEK's time to live ends it too.
 */
function makeUnwrappedDeks(): UnwrappedDeks {
  const known = new WeakMap<SealedValue, { readonly kek: OpenKek; readonly key: KeyObject }>();
  return (kek, sealed) => {
    const before = known.get(sealed);
    if (before?.kek === kek) return before.key;
    const { dekId, kekId, kekVersion } = sealed;
    using dek = unwrapDek({
      kek: kek.key,
      wrapped: sealed.wrappedDek,
      binding: { dekId, kekId, kekVersion },
    });
    // EXPOSE: into a KeyObject, which is what the cipher is quickest with; the bytes are zeroed right after.
    const key = createSecretKey(dek.expose());
    known.set(sealed, { kek, key });
    return key;
  };
}

/** @throws CREDENTIAL_DAMAGED for every cause alike */
function openValues(
  kek: OpenKek,
  binding: VersionBinding,
  sealed: SealedValue,
  unwrapped: UnwrappedDeks,
): Values {
  const { dekId, kekVersion } = sealed;
  // A KEK of another namespace would open nothing anyway: its id and the namespace's are bound in.
  if (kek.namespaceId !== binding.namespaceId || kek.version !== kekVersion)
    throw failure('CREDENTIAL_DAMAGED');
  try {
    const dek = unwrapped(kek, sealed);
    using plaintext = decryptValue({ dek, encrypted: sealed.ciphertext, binding: { ...binding, dekId } });
    return decodeValues(plaintext);
  } catch (error) {
    if (KeymeshError.is(error) && error.code === 'DECRYPTION_FAILED') throw failure('CREDENTIAL_DAMAGED');
    throw error;
  }
}
