import type { CertificateIdentity, SessionRequest } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import {
  certificateEndMs,
  namesOfCertificate,
  refuseCertificate,
  type CertificateRefusal,
  type IdentityRule,
} from '@keymesh/policy-engine';
import type { TokenRefusal, VerifyToken } from './verify-token.js';

/** Why a proof of identity is not accepted. For our records; the asker hears one neutral sentence. */
export type IdentityRefusal = TokenRefusal | CertificateRefusal;

/** The one rule that a proof fits, and when the proof itself ends. */
export type IdentityVerdict =
  { readonly rule: IdentityRule; readonly endsMs: number } | { readonly refused: IdentityRefusal };

/** Finds the one rule that a session request's proof fits. Never throws. */
export type ProveIdentity = (
  request: SessionRequest,
  rules: readonly IdentityRule[],
) => Promise<IdentityVerdict>;

export const makeProveIdentity =
  ({ verifyToken, clock }: { readonly verifyToken: VerifyToken; readonly clock: Clock }): ProveIdentity =>
  async (request, rules) =>
    'token' in request ? verifyToken(request.token, rules) : verifyCertificate(request, rules, clock.now());

type CertificateRule = IdentityRule & { readonly identity: CertificateIdentity };

function verifyCertificate(
  { certificate, ...keys }: Extract<SessionRequest, { certificate: object }>,
  rules: readonly IdentityRule[],
  nowMs: number,
): IdentityVerdict {
  const names = namesOfCertificate(certificate);
  if (names === undefined) return { refused: 'malformed' };
  // By name first: signatures are looked at for few rules, however many there are.
  const named = rules.filter(
    (rule): rule is CertificateRule =>
      rule.identity.kind === 'certificate' &&
      (rule.identity.spiffeId === undefined
        ? rule.identity.commonName === names.commonName
        : rule.identity.spiffeId === names.spiffeId),
  );
  const checked = named.map((rule) => ({
    rule,
    refused: refuseCertificate(rule.identity, keys, certificate, nowMs),
  }));
  const fitting = checked.filter(({ refused }) => refused === undefined);
  if (fitting.length > 1) return { refused: 'ambiguous' };
  const [only] = fitting;
  if (only === undefined) return { refused: checked.at(-1)?.refused ?? 'no-rule' };
  const endsMs = Math.min(certificateEndMs(certificate), Date.parse(certificate.notAfter));
  return { rule: only.rule, endsMs };
}
