import { failure } from '@keymesh/contracts';
import type { Credential, CredentialVersion } from '../domain/credential.js';
import type { RowSeal } from '../domain/row-mac.js';
import { toCredential, type CredentialEntity } from './entities/credential.entity.js';
import { toVersion, type CredentialVersionEntity } from './entities/credential-version.entity.js';

/** @throws CREDENTIAL_DAMAGED when the row is not as the vault wrote it. */
export function openCredentialRow(seal: RowSeal, row: CredentialEntity): Credential {
  const credential = toCredential(row, seal.policyOf);
  if (!seal.isCredential(credential, row.rowMac)) throw damaged(row.credentialId);
  return credential;
}

/** @throws CREDENTIAL_DAMAGED when the row is not as the vault wrote it. */
export function openVersionRow(seal: RowSeal, row: CredentialVersionEntity): CredentialVersion {
  const version = toVersion(row);
  if (!seal.isVersion(version, row.rowMac)) throw damaged(row.credentialId);
  return version;
}

const damaged = (credentialId: string) =>
  failure('CREDENTIAL_DAMAGED', { details: { credentialId, reason: 'the HMAC of the row does not hold' } });
