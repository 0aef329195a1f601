import { z } from 'zod';
import { inForce } from '../bundle-confirmation.js';
import { clientPrincipalName, principalName } from '../identity.js';
import { certificateProof, identityRule, identityRuleId } from '../identity-rule-statements.js';
import { defineRpc } from '../rpc.js';
import { nkeyPublic, publicKey } from '../statement-base.js';
import { statementText } from './policy.js';

/** Longest token that is looked at, in characters. */
export const MAX_TOKEN_CHARS = 16_384;

const sessionKeys = {
  v: z.literal(1),
  meshId: z.string().max(64),
  nkey: nkeyPublic,
  channelKey: publicKey,
  /** Base64url of the channel key's own signature over all other fields. */
  proof: z.string().length(86),
};

/** What is sealed in `openSession`. Only the policy service reads it. */
export const sessionRequest = z.union([
  z.strictObject({ ...sessionKeys, token: z.string().min(1).max(MAX_TOKEN_CHARS) }),
  z.strictObject({ ...sessionKeys, certificate: certificateProof }),
]);
export type SessionRequest = z.output<typeof sessionRequest>;

/**
 * Gives a proof of identity and two fresh public keys, which are then a principal's until `expiresAt`. Without a channel, because nobody knows
 * the asker's keys yet: what is asked is sealed to the policy service's channel key, and each answer can do no more than be untrue.
 * Again with the same keys: prolongs.
 */
export const openSession = defineRpc({
  name: 'openSession',
  service: 'policy',
  noun: 'session',
  verb: 'open',
  channel: 'none',
  mutation: true,
  request: z.strictObject({
    /** Of the policy service's channel key that it is sealed to, hex. */
    keyId: z.string().regex(/^[0-9a-f]{32}$/),
    /** Base64url: encapsulated key and ciphertext (docs/reference/channel.md section 8). */
    sealed: z
      .string()
      .max(48_000)
      .regex(/^[A-Za-z0-9_-]+$/),
  }),
  reply: z.strictObject({
    principal: clientPrincipalName,
    expiresAt: z.iso.datetime(),
    bundleVersion: z.int(),
    inForce: inForce.optional(),
  }),
});

/** Ends a session before its time: one's own, or with `principal.write` anybody's. */
export const closeSession = defineRpc({
  name: 'closeSession',
  service: 'policy',
  noun: 'session',
  verb: 'close',
  mutation: true,
  request: z.strictObject({ principal: clientPrincipalName, nkey: nkeyPublic }),
  reply: z.strictObject({
    principal: clientPrincipalName,
    bundleVersion: z.int(),
    inForce: inForce.optional(),
  }),
});

/** Publishes an operator's signed `identity-rule.set`. */
export const setIdentityRule = defineRpc({
  name: 'setIdentityRule',
  service: 'policy',
  noun: 'identity-rule',
  verb: 'set',
  mutation: true,
  request: z.strictObject({ statement: statementText }),
  reply: z.strictObject({ ruleId: identityRuleId, bundleVersion: z.int(), inForce: inForce.optional() }),
});

const identityRuleDetails = identityRule.extend({
  ruleId: identityRuleId,
  statementId: z.uuid(),
  setBy: principalName,
  setAt: z.iso.datetime(),
  /** Sessions that live by it now. */
  sessions: z.int(),
});
export type IdentityRuleDetails = z.output<typeof identityRuleDetails>;

export const listIdentityRules = defineRpc({
  name: 'listIdentityRules',
  service: 'policy',
  noun: 'identity-rule',
  verb: 'list',
  request: z.strictObject({}),
  reply: z.strictObject({ rules: z.array(identityRuleDetails) }),
});
