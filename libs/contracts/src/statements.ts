import { z } from 'zod';
import { breakGlassClosed, breakGlassOpened, breakGlassReviewed } from './break-glass-statements.js';
import { clientPrincipalName, principalName, PRINCIPAL_KINDS, ROLES } from './identity.js';
import { bundleSession, identityRuleSet } from './identity-rule-statements.js';
import { killSwitch, killSwitchLifted } from './kill-switch-statements.js';
import { credentialPolicySet } from './credential-policy-statements.js';
import { policyConfirmed, policySet } from './policy-statements.js';
import { policyShadowSet, shadowPolicies } from './shadow-statements.js';
import { base, nkeyPublic, publicKey } from './statement-base.js';

/** An operator invites a principal: who it is, its roles, and the public halves of the token's two keys. */
export const enrolmentIssued = z.strictObject({
  ...base,
  type: z.literal('enrolment.issued'),
  principal: clientPrincipalName,
  kind: z.enum(PRINCIPAL_KINDS),
  roles: z.array(z.enum(ROLES)).min(1),
  /** nkey that the token's bearer connects with. */ tokenNkey: nkeyPublic,
  /** Ed25519 key that signs `enrolment.completed`. Another key than the nkey, because the broker chooses what an nkey signs. */ tokenKey:
    publicKey,
  expiresAt: z.iso.datetime(),
});

/** The invited principal names its keys. Signed by the token's key. */
export const enrolmentCompleted = z.strictObject({
  ...base,
  type: z.literal('enrolment.completed'),
  principal: clientPrincipalName,
  enrolment: z.uuid(),
  nkey: nkeyPublic,
  channelKey: publicKey,
});

/** An operator (at initialisation: the first) names a principal with its keys directly. */
export const principalGranted = z.strictObject({
  ...base,
  type: z.literal('principal.granted'),
  principal: principalName,
  kind: z.enum(PRINCIPAL_KINDS),
  /** May be empty: a service of the mesh that needs nothing but its channel key certified (`_vault`, `_policy`, `_audit`). */
  roles: z.array(z.enum(ROLES)),
  nkey: nkeyPublic,
  channelKey: publicKey,
});

/** An operator disables a principal, or enables one that was disabled. */
export const principalStatusSet = z.strictObject({
  ...base,
  type: z.literal('principal.status-set'),
  principal: principalName,
  status: z.enum(['active', 'disabled']),
});

/** An operator sets all of a principal's roles. */
export const principalRolesSet = z.strictObject({
  ...base,
  type: z.literal('principal.roles-set'),
  principal: clientPrincipalName,
  /** The roles that the operator saw: what another operator changed meanwhile is not undone unseen. */
  before: z.array(z.enum(ROLES)).max(ROLES.length),
  roles: z.array(z.enum(ROLES)).max(ROLES.length),
});

const label = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/, 'a label is up to 63 of A-Z a-z 0-9 . _ / -');

/** What a principal belongs to, as policies see it. */
export const principalAttributes = z.strictObject({
  team: label.optional(),
  environment: label.optional(),
  /** CIDR blocks; absent: from anywhere. */
  networks: z
    .array(z.union([z.cidrv4(), z.cidrv6()], 'a network is a CIDR block, such as 10.0.0.0/8'))
    .min(1)
    .max(32)
    .optional(),
  labels: z
    .record(z.string().regex(/^[a-z][a-z0-9-]{0,62}$/), label)
    .refine((labels) => Object.keys(labels).length <= 32, 'at most 32 labels')
    .optional(),
});
export type PrincipalAttributes = z.output<typeof principalAttributes>;

/** An operator sets all of a principal's attributes. */
export const principalAttributesSet = z.strictObject({
  ...base,
  type: z.literal('principal.attributes-set'),
  principal: clientPrincipalName,
  attributes: principalAttributes,
});

/** Keys of one kind that a principal may have at once: enough to rotate on several machines. */
export const MAX_KEYS = 8;

/** Further keys, by the principal itself (signed with a channel key that it has) or by an operator. */
export const principalKeysAdded = z.strictObject({
  ...base,
  type: z.literal('principal.keys-added'),
  principal: clientPrincipalName,
  nkeys: z.array(nkeyPublic).max(MAX_KEYS),
  channelKeys: z
    .array(
      z.strictObject({
        key: publicKey,
        /** Base64url of the new key's own signature over what it is to be. */ proof: z.string().length(86),
      }),
    )
    .max(MAX_KEYS),
});

/** Keys that are no longer good, by the principal itself or by an operator. Never the last of a kind. */
export const principalKeysRemoved = z.strictObject({
  ...base,
  type: z.literal('principal.keys-removed'),
  principal: clientPrincipalName,
  nkeys: z.array(nkeyPublic).max(MAX_KEYS),
  channelKeys: z.array(publicKey).max(MAX_KEYS),
});

/** What operators (and tokens, and principals about their own keys) sign. Text form: base64url of signer's public key, canonical JSON and signature, joined by dots. */
export const statement = z.discriminatedUnion('type', [
  enrolmentIssued,
  enrolmentCompleted,
  principalGranted,
  principalStatusSet,
  principalRolesSet,
  principalAttributesSet,
  principalKeysAdded,
  principalKeysRemoved,
  policySet,
  policyConfirmed,
  policyShadowSet,
  breakGlassOpened,
  breakGlassClosed,
  breakGlassReviewed,
  killSwitchLifted,
  identityRuleSet,
  credentialPolicySet,
]);
export type Statement = z.output<typeof statement>;
export type StatementOf<T extends Statement['type']> = Extract<Statement, { type: T }>;

/** What a statement is about: a principal's name, or another thing as `<kind>:<id>` (names have no colon). */
export function subjectOfStatement(said: Statement): string {
  if ('principal' in said) return said.principal;
  if ('killId' in said) return `kill-switch:${said.killId}`;
  if ('ruleId' in said) return `identity-rule:${said.ruleId}`;
  if (said.type === 'credential-policy.set') return 'credential-policy:';
  if (said.type === 'policy.shadow-set') return 'policy-shadow:policies';
  return `policy:${said.policyId}`;
}

/** What every service pins at initialisation: the mesh's public key and the first operator. File `trust.json`. */
export const trustRoot = z.strictObject({
  v: z.literal(1),
  meshId: z.string(),
  meshPublicKey: publicKey,
  /** Public key of the policy service's bundle key: it can only take away. */ bundlePublicKey: publicKey,
  operators: z.array(z.strictObject({ name: clientPrincipalName, channelKey: publicKey })).min(1),
});
export type TrustRoot = z.output<typeof trustRoot>;

/** The signed bundle's payload: operators' statements in order, the policies, and what the policy service took away. */
export const policyBundle = z.strictObject({
  v: z.literal(1),
  meshId: z.string(),
  /** Grows by one with every change. */ version: z.int().min(1),
  issuedAt: z.iso.datetime(),
  statements: z.array(z.string()),
  policies: z.array(z.strictObject({ id: z.string(), cedar: z.string() })),
  taken: z.array(
    z.strictObject({
      principal: principalName,
      status: z.enum(['disabled', 'locked']),
      until: z.iso.datetime().nullable(),
      reason: z.string(),
    }),
  ),
  /** Texts of approvals, each signed by its approver; absent: none. */ approvals: z
    .array(z.string())
    .optional(),
  /** Texts of the policies in the shadow, whose digest a statement holds; absent: none. */ shadow:
    shadowPolicies.optional(),
  /** Kill switches in force; absent: none. */ kills: z.array(killSwitch).optional(),
  /** Keys for a while by identity rules; absent: none. */ sessions: z.array(bundleSession).optional(),
});
export type PolicyBundle = z.output<typeof policyBundle>;
