import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';
import { fingerprint, macRow, verifyRow, type RowValue } from '@keymesh/crypto';
import { lengthPrefixed, Secret, utf8 } from '@keymesh/kernel';
import canonicalize from 'canonicalize';
import type { Credential, CredentialVersion } from './credential.js';
import { makeCredentialPolicies } from './quality/credential-policies.js';
import type { CredentialPolicyOf } from './quality/credential-policy.js';

/** Seals rows against a database writer: whoever changes a column without the vault's integrity key is caught at the next read. */
export interface RowSeal {
  readonly credentialMac: (row: Credential) => Uint8Array;
  readonly isCredential: (row: Credential, mac: Uint8Array) => boolean;
  readonly versionMac: (row: CredentialVersion) => Uint8Array;
  readonly isVersion: (row: CredentialVersion, mac: Uint8Array) => boolean;
  /** For messages between instances of the vault, which all have the key. */
  readonly messageMac: (message: Uint8Array) => Uint8Array;
  /** A keyed hash of a name: equal for equal names, meaningless to who lacks the key. */
  readonly nameTag: (name: string) => string;
  /** Equal for equal values of one namespace; 64 hex characters. For finding reuse; destroyed with the version. */
  readonly fingerprintOf: (namespaceId: string, value: Secret) => string;
  /** What the credential policy says of a row, laid over it once its seal holds. */
  readonly policyOf: CredentialPolicyOf;
}

/** Compares in constant time. */
export const macEquals = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && timingSafeEqual(a, b);

/**
 * @param integrityKey 32 bytes; copied into a KeyObject, the caller keeps ownership.
 * @param policyOf absent: the built-in credential policy.
 */
export function makeRowSeal(integrityKey: Secret, policyOf = makeCredentialPolicies()): RowSeal {
  // EXPOSE: becomes a KeyObject, which node does not print.
  const key = createSecretKey(integrityKey.expose());
  const macOf = (purpose: string, message: Uint8Array): Uint8Array =>
    new Uint8Array(createHmac('sha256', key).update(lengthPrefixed(purpose, message)).digest());
  return {
    credentialMac: (row) => macRow(key, credentialFields(row)),
    isCredential: (row, mac) => verifyRow(key, credentialFields(row), mac),
    versionMac: (row) => macRow(key, versionFields(row)),
    isVersion: (row, mac) => verifyRow(key, versionFields(row), mac),
    messageMac: (message) => macOf('keymesh/v1/vault-sync', message),
    nameTag: (name) => Buffer.from(macOf('keymesh/v1/name-tag', utf8(name))).toString('base64url'),
    fingerprintOf: (namespaceId, value) => {
      // From the integrity key and not from a KEK, so that rotating the namespace's key forgets nothing.
      using namespaceKey = new Secret(
        macOf('keymesh/v1/fingerprint-key', utf8(namespaceId)),
        'fingerprint-key',
      );
      return fingerprint(namespaceKey, value);
    },
    policyOf,
  };
}

// What later columns hold in a row that was written before there were any. At that value a column stays out of the MAC, at any other it
// is in it, so a row sealed before verifies for ever and no two rows have the same MAC.
const LATER_CREDENTIAL_COLUMNS = {
  label: null,
  status: 'active',
  sensitivity: null,
  strengthScore: null,
  recoverableUntilMs: null,
  purgedAtMs: null,
} as const satisfies Partial<Record<keyof Credential, RowValue>>;
const LATER_VERSION_COLUMNS = {
  strengthScore: null,
  fingerprint: null,
  destroyedAtMs: null,
} as const satisfies Partial<Record<keyof CredentialVersion, RowValue>>;

const withoutDefaults = (
  columns: Readonly<Record<string, RowValue>>,
  later: Readonly<Record<string, RowValue>>,
): Record<string, RowValue> =>
  Object.fromEntries(
    Object.entries(columns).filter(([name, value]) => !Object.hasOwn(later, name) || later[name] !== value),
  );

// INVARIANT: every column that policy, stage or the read path looks at is covered, and the revision: all of the domain's row but the credential policy, which is none.
const credentialFields = ({
  rotation,
  policy: _policy,
  ...columns
}: Credential): Record<string, RowValue> => ({
  table: 'credential',
  ...withoutDefaults(columns, LATER_CREDENTIAL_COLUMNS),
  // RFC 8785 text, because a jsonb column gives its keys back in another order.
  rotation: rotation === null ? null : (canonicalize(rotation) ?? null),
});

// Ciphertext and wrapped DEK are authenticated by themselves, bound to credential, version and ids: an older one does not open.
const versionFields = ({
  wrappedDek: _wrapped,
  ciphertext: _ciphertext,
  ...columns
}: CredentialVersion): Record<string, RowValue> => ({
  table: 'credential_version',
  ...withoutDefaults(columns, LATER_VERSION_COLUMNS),
});
