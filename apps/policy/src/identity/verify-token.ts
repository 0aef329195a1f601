import { MAX_TOKEN_CHARS, type TokenIdentity } from '@keymesh/contracts';
import { KeymeshError, SECOND, type Clock } from '@keymesh/kernel';
import type { IdentityRule } from '@keymesh/policy-engine';
import { decodeJwt, decodeProtectedHeader, errors, jwtVerify, type JWTPayload } from 'jose';
import { makeIssuerKeys, type FindIssuerKey, type IssuerKeysPorts } from './issuer-keys.js';

/** How far an issuer's clock may be from ours. */
const SKEW_SECONDS = 30;
/** INVARIANT: signatures only, never `none` and never a shared secret. */
const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'];
// SOURCE: RFC 9068 section 2.1 (at+jwt); RFC 7519 section 5.1. Kubernetes names none. Other kinds of tokens prove something else.
const TYPES = [undefined, 'jwt', 'at+jwt', 'application/at+jwt'];

/** Why a token proves nobody. For our records; never a claim's value. */
export type TokenRefusal =
  | 'malformed'
  | 'type'
  | 'algorithm'
  | 'key'
  | 'keys-unavailable'
  | 'signature'
  | 'audience'
  | 'claims'
  | 'expired'
  | 'not-yet-valid'
  | 'no-rule'
  | 'ambiguous';

/** The one rule that a token fits, and when it ends. */
export type TokenVerdict =
  { readonly rule: IdentityRule; readonly endsMs: number } | { readonly refused: TokenRefusal };

type TokenRule = IdentityRule & { readonly identity: TokenIdentity };

/** Finds the one rule that a token fits. Never throws. */
export type VerifyToken = (token: string, rules: readonly IdentityRule[]) => Promise<TokenVerdict>;

/** Issuers whose keys are held; the oldest gives way. Operators name them, so they are few. */
const MAX_SOURCES = 200;

export function makeVerifyToken(ports: IssuerKeysPorts): VerifyToken {
  const sources = new Map<string, FindIssuerKey>();
  const keysOf = ({ issuer, keys }: TokenIdentity): FindIssuerKey => {
    const name = sourceOf({ issuer, keys });
    const known = sources.get(name) ?? makeIssuerKeys({ issuer, keys }, ports);
    sources.delete(name);
    sources.set(name, known);
    const [oldest] = sources.keys();
    if (sources.size > MAX_SOURCES && oldest !== undefined) sources.delete(oldest);
    return known;
  };
  return async (token, rules) => {
    const head = readHead(token);
    if (typeof head === 'string') return { refused: head };
    const ofIssuer = rules.filter(
      (rule): rule is TokenRule => rule.identity.kind === 'token' && rule.identity.issuer === head.issuer,
    );
    // Rules of one issuer mostly have its keys from one place: one signature then, however many rules.
    const groups = Map.groupBy(ofIssuer, ({ identity }) => sourceOf(identity));
    const fitting: { rule: IdentityRule; endsMs: number }[] = [];
    let refused: TokenRefusal = 'no-rule';
    for (const group of groups.values()) {
      const [{ identity }] = group as [TokenRule];
      const checked = await check(token, identity.issuer, keysOf(identity), ports.clock);
      if (typeof checked === 'string') refused = checked;
      else {
        const fits = group.filter(({ identity: { audience } }) => isFor(checked, audience));
        const all = fits.filter((rule) => hasClaims(checked, rule.identity.claims));
        if (all.length === 0) refused = fits.length === 0 ? 'audience' : 'claims';
        for (const rule of all) fitting.push({ rule, endsMs: (checked.exp ?? 0) * SECOND });
      }
    }
    // INVARIANT: never one of several: which one would be for whoever orders rules to say.
    if (fitting.length > 1) return { refused: 'ambiguous' };
    return fitting[0] ?? { refused };
  };
}

const sourceOf = ({ issuer, keys }: Pick<TokenIdentity, 'issuer' | 'keys'>): string =>
  JSON.stringify([issuer, keys]);

/** What has to be known before any signature is looked at; nothing of it is believed. */
function readHead(token: string): { readonly issuer: string } | TokenRefusal {
  if (token.length > MAX_TOKEN_CHARS) return 'malformed';
  try {
    const { typ, alg } = decodeProtectedHeader(token);
    if (!TYPES.includes(typ?.toLowerCase())) return 'type';
    if (!ALGORITHMS.includes(alg ?? '')) return 'algorithm';
    const { iss } = decodeJwt(token);
    return typeof iss === 'string' ? { issuer: iss } : 'malformed';
  } catch {
    return 'malformed';
  }
}

async function check(
  token: string,
  issuer: string,
  findKey: FindIssuerKey,
  clock: Clock,
): Promise<JWTPayload | TokenRefusal> {
  const nowMs = clock.now();
  try {
    const { payload } = await jwtVerify(token, findKey, {
      algorithms: ALGORITHMS,
      issuer,
      clockTolerance: SKEW_SECONDS,
      currentDate: new Date(nowMs),
      requiredClaims: ['exp', 'iat'],
    });
    // The library looks at `iat` only where a greatest age is asked for.
    return (payload.iat ?? Infinity) * SECOND > nowMs + SKEW_SECONDS * SECOND ? 'not-yet-valid' : payload;
  } catch (error) {
    return reasonOf(error);
  }
}

function reasonOf(error: unknown): TokenRefusal {
  if (KeymeshError.is(error)) return 'keys-unavailable';
  if (error instanceof errors.JWTExpired) return 'expired';
  if (error instanceof errors.JWTClaimValidationFailed)
    return error.claim === 'nbf' && error.reason === 'check_failed' ? 'not-yet-valid' : 'malformed';
  if (error instanceof errors.JOSEAlgNotAllowed) return 'algorithm';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'signature';
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys)
    return 'key';
  return 'malformed';
}

const isFor = ({ aud }: JWTPayload, audience: string): boolean =>
  Array.isArray(aud) ? aud.includes(audience) : aud === audience;

const hasClaims = (payload: JWTPayload, claims: TokenIdentity['claims']): boolean =>
  Object.entries(claims).every(([name, value]) => Object.hasOwn(payload, name) && payload[name] === value);
