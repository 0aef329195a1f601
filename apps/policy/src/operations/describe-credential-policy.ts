import type { CredentialPolicyVersion, describeCredentialPolicy } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import { credentialPolicyVersions } from '@keymesh/policy-engine';
import { authorized, CREDENTIAL_POLICY, type OperationPorts } from '../domain/authorize.js';
import type { Record } from '../domain/ports.js';

/** Versions told at most: so many of the longest documents fit into a message. */
const MAX_VERSIONS = 30;

/** The credential policy, and who wrote what before. Recorded before it is told. */
export const makeDescribeCredentialPolicy =
  (ports: OperationPorts & { readonly record: Record }): Handler<typeof describeCredentialPolicy> =>
  async (_request, call) => {
    const { book, makeRecord, record } = ports;
    const resource = CREDENTIAL_POLICY;
    const asked = { action: 'policy.read', type: 'credential-policy.described', resource } as const;
    return authorized(ports, call, asked, async (decision) => {
      const { directory } = book.current();
      const history = credentialPolicyVersions(directory)
        .map(({ statementId, document, issuer: setBy, issuedAt: setAt }): CredentialPolicyVersion => ({
          statementId,
          document,
          setBy,
          setAt,
        }))
        .toReversed();
      const about = { resource: { kind: resource.kind, id: resource.id } };
      await record({
        record: makeRecord('credential-policy.described', 'success', { call, decision, ...about }),
      });
      return {
        inForce: directory.credentialPolicy,
        history: history.slice(0, MAX_VERSIONS),
        earlier: Math.max(0, history.length - MAX_VERSIONS),
      };
    });
  };
