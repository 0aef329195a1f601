import { z } from 'zod';
import { clientPrincipalName } from './identity.js';
import { base, nkeyPublic, publicKey } from './statement-base.js';

export const identityRuleId = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9.-]{0,62}$/,
    'a rule id is up to 63 of a-z 0-9 . -, beginning with a letter or digit',
  );

/** Longest life of a session that a rule may allow, seconds. */
export const MAX_RULE_SESSION_SECONDS = 86_400;
/** Where the rule does not say. */
export const DEFAULT_RULE_SESSION_SECONDS = 3_600;

/** Keys are fetched over TLS; without it from this machine only. */
const keyAddress = z
  .string()
  .max(512)
  .regex(
    /^(?:https:\/\/[^\s@#?]+|http:\/\/(?:127\.0\.0\.1|\[::1\]|localhost)(?::\d{1,5})?(?:\/[^\s@#?]*)?)$/,
    'an address is https://…, or http:// of this machine',
  );

const jwkBase = {
  kid: z.string().max(256).optional(),
  alg: z.string().max(16).optional(),
  use: z.literal('sig').optional(),
};
/** A public key of an issuer. INVARIANT: no private and no symmetric key fits. SOURCE: RFC 7518 section 6, RFC 8037 section 2 */
const publicJwk = z.discriminatedUnion('kty', [
  z.strictObject({ ...jwkBase, kty: z.literal('RSA'), n: z.string().max(1_400), e: z.string().max(8) }),
  z.strictObject({
    ...jwkBase,
    kty: z.literal('EC'),
    crv: z.literal('P-256'),
    x: z.string().length(43),
    y: z.string().length(43),
  }),
  z.strictObject({ ...jwkBase, kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string().length(43) }),
]);

/** Where the issuer's public keys are from. */
export const issuerKeys = z.discriminatedUnion('from', [
  /** `<issuer>/.well-known/openid-configuration` names them. SOURCE: OpenID Connect Discovery 1.0 section 4 */
  z.strictObject({ from: z.literal('discovery') }),
  z.strictObject({ from: z.literal('uri'), uri: keyAddress }),
  z.strictObject({ from: z.literal('pinned'), keys: z.array(publicJwk).min(1).max(8) }),
]);
export type IssuerKeys = z.output<typeof issuerKeys>;

/** A token that an issuer signs: OpenID Connect, Kubernetes service accounts. All claims named must be there and equal. */
export const tokenIdentity = z
  .strictObject({
    kind: z.literal('token'),
    /** `iss`, to the letter. */
    issuer: z.string().min(1).max(512),
    audience: z.string().min(1).max(512),
    claims: z
      .record(
        z.string().regex(/^[A-Za-z0-9_:./-]{1,64}$/),
        z.union(
          [z.string().max(512), z.boolean()],
          'a claim is a text of up to 512 characters, true or false',
        ),
      )
      .refine((claims) => Object.keys(claims).length >= 1, 'a rule names a claim: else it takes everybody')
      .refine((claims) => Object.keys(claims).length <= 8, 'at most 8 claims')
      .refine(
        (claims) => ['iss', 'aud', 'exp', 'nbf', 'iat'].every((name) => !Object.hasOwn(claims, name)),
        'iss, aud, exp, nbf and iat are checked anyway',
      ),
    keys: issuerKeys,
  })
  .refine(
    ({ issuer, keys }) => keys.from !== 'discovery' || keyAddress.safeParse(issuer).success,
    'keys are discovered at an issuer that is an https address',
  );
export type TokenIdentity = z.output<typeof tokenIdentity>;

/** A client certificate under a pinned authority: its only SPIFFE id, or its common name. */
export const certificateIdentity = z
  .strictObject({
    kind: z.literal('certificate'),
    /** PEM of the authority whose word counts, and of nothing else. */
    authority: z
      .string()
      .max(6_000)
      .regex(
        /^-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+\n-----END CERTIFICATE-----\n?$/,
        'one PEM certificate',
      ),
    spiffeId: z
      .string()
      .max(1_024)
      .regex(/^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/[A-Za-z0-9._-]+)+$/, 'a SPIFFE id is spiffe://domain/path')
      .optional(),
    commonName: z.string().min(1).max(64).optional(),
  })
  .refine(
    ({ spiffeId, commonName }) => (spiffeId === undefined) !== (commonName === undefined),
    'a rule names a SPIFFE id or a common name',
  );
export type CertificateIdentity = z.output<typeof certificateIdentity>;

export const identityRule = z.strictObject({
  /** Who it is then: a principal that is there. */
  principal: clientPrincipalName,
  identity: z.discriminatedUnion('kind', [tokenIdentity, certificateIdentity]),
  maxSessionSeconds: z.int().min(60).max(MAX_RULE_SESSION_SECONDS),
  /** Whether it may be so for a principal that holds operator, security-admin or break-glass. */
  privileged: z.boolean(),
});

/**
 * An operator lets another proof of identity stand for a principal: whoever gives it may have session keys vouched for, by the policy
 * service (token) or by the certificate itself, for so long and while the rule stands. Null removes it, and ends its sessions.
 */
export const identityRuleSet = z.strictObject({
  ...base,
  type: z.literal('identity-rule.set'),
  ruleId: identityRuleId,
  rule: identityRule.nullable(),
  /** The statement in force that the signer saw; null: none. What somebody else changed meanwhile is not undone unseen. */
  basedOn: z.uuid().nullable(),
});

/** What a certificate's own key signed of the session's keys, so that every reader can check it. */
export const certificateProof = z.strictObject({
  /** DER in base64: the client's certificate, and the one between it and the authority if there is one. */
  chain: z.array(z.base64().max(6_000)).min(1).max(2),
  /** The holder wants the keys to be good until then at the latest. */
  notAfter: z.iso.datetime(),
  /** Base64url. */
  signature: z.string().max(700),
});
export type CertificateProof = z.output<typeof certificateProof>;

/** Keys of a principal for a while, by an identity rule. In the bundle; every reader checks them against the rule. */
export const bundleSession = z.strictObject({
  principal: clientPrincipalName,
  ruleId: identityRuleId,
  nkey: nkeyPublic,
  channelKey: publicKey,
  openedAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  /** Of a rule about certificates. */
  certificate: certificateProof.optional(),
});
export type BundleSession = z.output<typeof bundleSession>;
