import { parseCredentialPolicy, type CredentialPolicyDocument, type StatementOf } from '@keymesh/contracts';
import type { Directory } from './directory.js';

const SUBJECT = 'credential-policy:';

/** Every writing of the credential policy, in order. */
export const credentialPolicyVersions = (
  directory: Pick<Directory, 'historyOf'>,
): readonly StatementOf<'credential-policy.set'>[] =>
  directory.historyOf(SUBJECT).filter((said) => said.type === 'credential-policy.set');

/** The credential policy as this release understands it. */
export interface ReadCredentialPolicy {
  readonly statementId: string;
  readonly document: CredentialPolicyDocument;
  /** A newer one is in force, which a later release wrote and this one cannot read. */
  readonly isOutdated: boolean;
}

/**
 * The credential policy in force. Where this release cannot read it, the newest before it that it can: every service of one release so
 * goes by the same one, also after a restart. @returns undefined for none.
 */
export function readCredentialPolicy(
  directory: Pick<Directory, 'historyOf' | 'credentialPolicy'>,
): ReadCredentialPolicy | undefined {
  if (directory.credentialPolicy === null) return undefined;
  for (const { document: text, statementId } of credentialPolicyVersions(directory).toReversed()) {
    if (text === null) return undefined;
    const { policy: document, problems } = parseCredentialPolicy(text);
    const isOutdated = statementId !== directory.credentialPolicy.statementId;
    if (problems.length === 0) return { statementId, document, isOutdated };
  }
  return undefined;
}
