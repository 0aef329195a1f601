import {
  ACCOUNTS,
  clientPermissions,
  enrolmentPermissions,
  sessionAskerOf,
  sessionPermissions,
  siemPermissions,
  type BundleSession,
  type SubjectPermissions,
} from '@keymesh/contracts';
import { HOUR, MINUTE, type Clock } from '@keymesh/kernel';
import { namesOfCertificate, type Directory, type PrincipalStatus } from '@keymesh/policy-engine';
import { isInNetworks } from './networks.js';

/** Who knocks, as the NATS server says. Nothing of it is proven but that the server asks. */
export interface ConnectionAsk {
  readonly nkey: string | undefined;
  /** Base64url of the client's signature over the server's nonce. */
  readonly signature: string | undefined;
  readonly nonce: string | undefined;
  /** Whether it wants to exchange a proof of identity for session keys, and nothing else. */
  readonly wantsSession?: boolean;
  /** DER in base64 of the certificate that the server verified, where it asks for one. */
  readonly certificate?: string;
  readonly serverId: string;
  readonly clientId: number;
  readonly host: string | undefined;
}

/** Why not. For our records; the client hears one neutral sentence. */
export type RefusalReason =
  | 'no-key'
  | 'unknown-key'
  | 'not-proven'
  | 'system'
  | 'network'
  | 'certificate'
  /** Too many failed before: strangers of one source, or the bearer of one token. */
  | 'locked-out'
  | Exclude<PrincipalStatus, 'active' | 'invited'>;

/** What a connection may do, and until when. */
export interface Admission {
  readonly principal: string;
  readonly purpose: 'principal' | 'enrolment' | 'session';
  readonly account: string;
  readonly permissions: SubjectPermissions;
  readonly expiresAtMs: number;
}

export type Verdict =
  | { readonly admitted: true; readonly admission: Admission }
  | { readonly admitted: false; readonly reason: RefusalReason; readonly principal?: string };

// So that clients which came together do not all come back together.
const LONGEST_MS = 24 * HOUR;
const JITTER_MS = 4 * HOUR;
const ENROLMENT_MS = 5 * MINUTE;
const SESSION_MS = MINUTE;

/**
 * Decides about one connection. Pure but for the clock and the jitter.
 * @param isProven whether that nkey signed that nonce; asked only for keys that we know, because it costs.
 */
export function judgeConnection(
  ask: ConnectionAsk,
  directory: Directory,
  {
    clock,
    random,
    isProven,
  }: { clock: Clock; random: () => number; isProven: (ask: ConnectionAsk) => boolean },
): Verdict {
  if (ask.nkey === undefined) return { admitted: false, reason: 'no-key' };
  if (ask.wantsSession === true) return judgeSessionAsker(ask, ask.nkey, directory, { clock, isProven });
  const entry = directory.findByNkey(ask.nkey);
  const enrolment = directory.findEnrolment(ask.nkey);
  const principal = entry?.name ?? enrolment?.principal;
  if (principal === undefined) return { admitted: false, reason: 'unknown-key' };
  if (!isProven(ask)) return { admitted: false, reason: 'not-proven', principal };
  if (entry === undefined) {
    const tokenEndsMs = enrolment === undefined ? 0 : Date.parse(enrolment.expiresAt);
    const expiresAtMs = Math.min(clock.now() + ENROLMENT_MS, tokenEndsMs);
    const permissions = enrolmentPermissions(principal);
    return {
      admitted: true,
      admission: { principal, purpose: 'enrolment', account: ACCOUNTS.clients, permissions, expiresAtMs },
    };
  }
  // INVARIANT: services of the mesh connect as static users of the account MESH; the callout places nobody there.
  if (entry.kind === 'system') return { admitted: false, reason: 'system', principal };
  if (entry.status !== 'active' && entry.status !== 'invited')
    return { admitted: false, reason: entry.status, principal };
  if (!isInNetworks(ask.host, entry.attributes.networks))
    return { admitted: false, reason: 'network', principal };
  const reads = entry.roles.includes('siem');
  const longestMs = clock.now() + LONGEST_MS - Math.floor(random() * JITTER_MS);
  const session = directory.findSession(ask.nkey);
  if (session !== undefined && !isConnectedAs(ask, session, directory))
    return { admitted: false, reason: 'certificate', principal };
  const expiresAtMs = session === undefined ? longestMs : Math.min(longestMs, Date.parse(session.expiresAt));
  return {
    admitted: true,
    admission: {
      principal,
      purpose: 'principal',
      account: reads ? ACCOUNTS.siem : ACCOUNTS.clients,
      permissions: reads ? siemPermissions(principal) : clientPermissions(principal),
      expiresAtMs,
    },
  };
}

/** Anybody may ask, where rules let other proofs stand at all: under a name that is nobody's, and for a minute. */
function judgeSessionAsker(
  ask: ConnectionAsk,
  nkey: string,
  { identityRules }: Directory,
  { clock, isProven }: { clock: Clock; isProven: (ask: ConnectionAsk) => boolean },
): Verdict {
  if (identityRules.length === 0) return { admitted: false, reason: 'unknown-key' };
  if (!isProven(ask)) return { admitted: false, reason: 'not-proven' };
  const principal = sessionAskerOf(nkey);
  const [permissions, expiresAtMs] = [sessionPermissions(principal), clock.now() + SESSION_MS];
  return {
    admitted: true,
    admission: { principal, purpose: 'session', account: ACCOUNTS.clients, permissions, expiresAtMs },
  };
}

/**
 * Where the server verified a certificate, a session by another certificate does not come over this connection. A wall more and no proof: that
 * is what the certificate's key signed.
 */
function isConnectedAs(
  { certificate }: ConnectionAsk,
  { ruleId }: BundleSession,
  { identityRules }: Directory,
): boolean {
  const identity = identityRules.find((rule) => rule.ruleId === ruleId)?.identity;
  if (certificate === undefined || identity?.kind !== 'certificate') return true;
  const names = namesOfCertificate({ chain: [certificate] });
  return identity.spiffeId === undefined
    ? names?.commonName === identity.commonName
    : names?.spiffeId === identity.spiffeId;
}
