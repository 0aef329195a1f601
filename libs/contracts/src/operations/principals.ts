import { z } from 'zod';
import { inForce } from '../bundle-confirmation.js';
import { clientPrincipalName, principalName } from '../identity.js';
import { bundleSession } from '../identity-rule-statements.js';
import { defineRpc } from '../rpc.js';
import { principalAttributes } from '../statements.js';
import { principalSummary, statementText } from './policy.js';

const changed = z.strictObject({
  principal: clientPrincipalName,
  bundleVersion: z.int(),
  inForce: inForce.optional(),
});

/** One thing that was said about a principal. Public keys and names only. */
const principalHistory = z.strictObject({
  type: z.string(),
  /** Who signed it. */ issuer: principalName,
  issuedAt: z.iso.datetime(),
  /** What it says: roles, status, or keys, in words. */ says: z.string(),
});

export const principalDetails = principalSummary.extend({
  attributes: principalAttributes,
  /** NATS user public keys. */ nkeys: z.array(z.string()),
  /** Ed25519 public keys, base64url. */ channelKeys: z.array(z.string()),
  /** What the policy service took away, and why. */
  taken: z.array(
    z.strictObject({
      status: z.enum(['disabled', 'locked']),
      until: z.iso.datetime().nullable(),
      reason: z.string(),
    }),
  ),
  /** End of its break-glass; only while that is open. */ breakGlassUntil: z.iso.datetime().optional(),
  /** Keys for a while, by identity rules; live now. */
  sessions: z.array(bundleSession.omit({ principal: true, certificate: true })).optional(),
  /** From the signed statements, in their order. */ history: z.array(principalHistory),
});
export type PrincipalDetails = z.output<typeof principalDetails>;

/** Everything that is known of one principal: keys, roles, attributes, status, and who gave it what and when. */
export const describePrincipal = defineRpc({
  name: 'describePrincipal',
  service: 'policy',
  noun: 'principal',
  verb: 'describe',
  request: z.strictObject({ principal: principalName }),
  reply: principalDetails,
});

/** Publishes an operator's signed `principal.roles-set`: grants and ungrants. */
export const setPrincipalRoles = defineRpc({
  name: 'setPrincipalRoles',
  service: 'policy',
  noun: 'principal',
  verb: 'set-roles',
  mutation: true,
  request: z.strictObject({ statement: statementText }),
  reply: changed,
});

/** Publishes an operator's signed `principal.attributes-set`. */
export const setPrincipalAttributes = defineRpc({
  name: 'setPrincipalAttributes',
  service: 'policy',
  noun: 'principal',
  verb: 'set-attributes',
  mutation: true,
  request: z.strictObject({ statement: statementText }),
  reply: changed,
});

/** Publishes a signed `principal.keys-added`: of a principal about itself, or of an operator. */
export const addPrincipalKeys = defineRpc({
  name: 'addPrincipalKeys',
  service: 'policy',
  noun: 'principal',
  verb: 'add-keys',
  mutation: true,
  request: z.strictObject({ statement: statementText }),
  reply: changed,
});

/** Publishes a signed `principal.keys-removed`; sessions and connections of these keys end. */
export const removePrincipalKeys = defineRpc({
  name: 'removePrincipalKeys',
  service: 'policy',
  noun: 'principal',
  verb: 'remove-keys',
  mutation: true,
  request: z.strictObject({ statement: statementText }),
  reply: changed,
});
