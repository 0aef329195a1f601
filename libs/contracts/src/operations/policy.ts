import { z } from 'zod';
import { inForce } from '../bundle-confirmation.js';
import { clientPrincipalName, principalName, PRINCIPAL_KINDS, ROLES } from '../identity.js';
import { defineRpc } from '../rpc.js';

const signedText = (maxChars: number) =>
  z
    .string()
    .max(maxChars)
    .regex(
      /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/,
      'a statement is key.payload.signature in base64url',
    );

/** A signed statement in its text form (statements.ts): payload and signature in base64url, joined by a dot. */
export const statementText = signedText(16_384);
/** One that holds the text of a policy, of whatever letters. */
export const policyStatementText = signedText(65_536);

export const principalSummary = z.strictObject({
  name: principalName,
  kind: z.enum(PRINCIPAL_KINDS),
  roles: z.array(z.enum(ROLES)),
  status: z.enum(['invited', 'active', 'disabled', 'locked', 'killed']),
  lockedUntil: z.iso.datetime().nullable(),
  createdAt: z.iso.datetime(),
});
export type PrincipalSummary = z.output<typeof principalSummary>;

/** Publishes an operator's signed `enrolment.issued` statement. The token itself is never sent. */
export const createPrincipal = defineRpc({
  name: 'createPrincipal',
  service: 'policy',
  noun: 'principal',
  verb: 'create',
  mutation: true,
  request: z.strictObject({ statement: statementText }),
  reply: z.strictObject({ principal: clientPrincipalName, bundleVersion: z.int() }),
});

/** Over the enrolment-only connection: the new public keys, signed by the token. Idempotent for the same keys. */
export const enrolPrincipal = defineRpc({
  name: 'enrolPrincipal',
  service: 'policy',
  noun: 'principal',
  verb: 'enrol',
  channel: 'none',
  mutation: true,
  request: z.strictObject({ statement: statementText }),
  reply: z.strictObject({
    principal: clientPrincipalName,
    meshId: z.string(),
    meshPublicKey: z.string(),
    bundleVersion: z.int(),
  }),
});

export const listPrincipals = defineRpc({
  name: 'listPrincipals',
  service: 'policy',
  noun: 'principal',
  verb: 'list',
  request: z.strictObject({}),
  reply: z.strictObject({ principals: z.array(principalSummary) }),
});

/** Takes away: disables (until an operator's statement enables it again). Cuts live connections. */
export const disablePrincipal = defineRpc({
  name: 'disablePrincipal',
  service: 'policy',
  noun: 'principal',
  verb: 'disable',
  mutation: true,
  request: z.strictObject({ principal: clientPrincipalName, reason: z.string().max(256) }),
  reply: z.strictObject({
    principal: clientPrincipalName,
    bundleVersion: z.int(),
    inForce: inForce.optional(),
  }),
});

/** Gives back what was disabled, by an operator's signed `principal.status-set` (active): giving needs a signature, taking does not. */
export const enablePrincipal = defineRpc({
  name: 'enablePrincipal',
  service: 'policy',
  noun: 'principal',
  verb: 'enable',
  mutation: true,
  request: z.strictObject({ statement: statementText }),
  reply: z.strictObject({
    principal: clientPrincipalName,
    bundleVersion: z.int(),
    inForce: inForce.optional(),
  }),
});

/** Takes away for a while: what the anomaly detector does on a burst of denials. Operators are never locked. */
export const lockPrincipal = defineRpc({
  name: 'lockPrincipal',
  service: 'policy',
  noun: 'principal',
  verb: 'lock',
  mutation: true,
  request: z.strictObject({
    principal: clientPrincipalName,
    lockSeconds: z.int().min(1).max(86_400),
    reason: z.string().max(256),
  }),
  reply: z.strictObject({
    principal: clientPrincipalName,
    lockedUntil: z.iso.datetime(),
    bundleVersion: z.int(),
  }),
});

/** Ends a lock early. */
export const unlockPrincipal = defineRpc({
  name: 'unlockPrincipal',
  service: 'policy',
  noun: 'principal',
  verb: 'unlock',
  mutation: true,
  request: z.strictObject({ principal: clientPrincipalName }),
  reply: z.strictObject({ principal: clientPrincipalName, bundleVersion: z.int() }),
});
