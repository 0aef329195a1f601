import { z } from 'zod';
import { inForce } from '../bundle-confirmation.js';
import { principalName } from '../identity.js';
import { defineRpc } from '../rpc.js';
import { policyStatementText } from './policy.js';

/** One writing of the credential policy. `document` null: it was taken back. */
const credentialPolicyVersion = z.strictObject({
  statementId: z.uuid(),
  document: z.string().nullable(),
  setBy: principalName,
  setAt: z.iso.datetime(),
});
export type CredentialPolicyVersion = z.output<typeof credentialPolicyVersion>;

/** Publishes a signed `credential-policy.set`. Checked as the vault reads it before it is taken. */
export const setCredentialPolicy = defineRpc({
  name: 'setCredentialPolicy',
  service: 'policy',
  noun: 'credential-policy',
  verb: 'set',
  mutation: true,
  request: z.strictObject({ statement: policyStatementText }),
  reply: z.strictObject({
    statementId: z.uuid(),
    state: z.enum(['in-force', 'removed']),
    bundleVersion: z.int(),
    inForce: inForce.optional(),
  }),
});

/** The credential policy that operators wrote, and what it was before. */
export const describeCredentialPolicy = defineRpc({
  name: 'describeCredentialPolicy',
  service: 'policy',
  noun: 'credential-policy',
  verb: 'describe',
  request: z.strictObject({}),
  reply: z.strictObject({
    /** Null: none; the vault goes by its own configuration. */ inForce: credentialPolicyVersion.nullable(),
    /** Newest first. */ history: z.array(credentialPolicyVersion),
    /** Older ones that did not fit into the reply. */ earlier: z.int(),
  }),
});
