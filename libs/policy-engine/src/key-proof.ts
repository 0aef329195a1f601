import { fromBase64Url, signTextFor, verifyFor, type SigningKey } from '@keymesh/kernel';
import type { StatementOf } from '@keymesh/contracts';
import { canonicalBytes } from './statements.js';

/** What a proof is bound to: it is good in this one statement only. */
export type KeyProofBinding = Pick<
  StatementOf<'principal.keys-added'>,
  'meshId' | 'statementId' | 'principal'
>;

const PURPOSE = 'keymesh/v1/key-proof';
const covered = ({ meshId, statementId, principal }: KeyProofBinding, channelKey: string): Uint8Array =>
  canonicalBytes({ meshId, statementId, principal, channelKey });

/** The new channel key's own signature that it is to be this principal's. Base64url, 64 bytes. */
export const proveKey = (binding: KeyProofBinding, key: SigningKey): string =>
  signTextFor(PURPOSE, covered(binding, key.publicKeyText), key);

/** Whether `proof` is by `channelKey` for this statement. Never throws. */
export function isKeyProven(binding: KeyProofBinding, channelKey: string, proof: string): boolean {
  const signature = fromBase64Url(proof);
  return signature !== undefined && verifyFor(PURPOSE, covered(binding, channelKey), signature, channelKey);
}
