import type { BundleSession } from '@keymesh/contracts';
import { MINUTE, SECOND, type Clock } from '@keymesh/kernel';
import { LRUCache } from 'lru-cache';
import { certificateEndMs, refuseCertificate } from './certificate-proof.js';
import { isPrivileged } from './fold-identity-rule.js';
import type { FoldState, IdentityRule } from './fold-state.js';
import { canonicalBytes } from './statements.js';

/** How far the policy service's clock may be from the reader's. */
const SKEW_MS = MINUTE;

/** The sessions of a bundle that hold: what a principal's own keys are besides those that operators and it itself named. */
export interface Sessions {
  /** The live session of this nkey. */
  findByNkey(nkey: string): BundleSession | undefined;
  isChannelKeyOf(principal: string, channelKey: string): boolean;
  /** Live now. */
  list(): readonly BundleSession[];
}

/**
 * Takes of a bundle's sessions those that its rules carry. The bundle key alone vouches for what a token proved; so this is what its holder
 * can do with it, and nothing more. INVARIANT: a session counts only
 * - while a rule that an operator signed stands, for exactly that rule's principal, who must be there;
 * - for a privileged principal only where the rule says so;
 * - no longer than the rule allows, by the reader's own clock;
 * - with keys that are nobody else's;
 * - by a certificate's rule only with the certificate's own signature over its keys.
 */
export function sessionsOf(
  state: Pick<FoldState, 'trustRoot' | 'identityRules' | 'principals' | 'keys'>,
  listed: readonly BundleSession[],
  clock: Clock,
): Sessions {
  const carried = listed.filter((session) => isCarried(state, session));
  const byNkey = onlyOnes(carried, ({ nkey }) => nkey);
  const byChannelKey = onlyOnes(carried, ({ channelKey }) => channelKey);
  // For each message, so nothing is made anew here; certificates are checked when first asked for.
  const checked = new Map<BundleSession, boolean>();
  const isProvenHere = (session: BundleSession): boolean => {
    const known = checked.get(session) ?? isProven(state, session);
    checked.set(session, known);
    return known;
  };
  const isLive = (session: BundleSession): boolean => {
    const nowMs = clock.now();
    return Date.parse(session.openedAt) - SKEW_MS <= nowMs && nowMs < Date.parse(session.expiresAt);
  };
  // Both keys are this session's alone, or neither counts.
  const holds = (session: BundleSession | undefined): session is BundleSession =>
    session !== undefined &&
    byNkey.get(session.nkey) === session &&
    byChannelKey.get(session.channelKey) === session &&
    isLive(session) &&
    isProvenHere(session);
  return {
    findByNkey: (nkey) => {
      const session = byNkey.get(nkey);
      return holds(session) ? session : undefined;
    },
    isChannelKeyOf: (principal, channelKey) => {
      const session = byChannelKey.get(channelKey);
      return session?.principal === principal && holds(session);
    },
    list: () => carried.filter(holds),
  };
}

function isCarried(
  { identityRules, principals, keys }: Pick<FoldState, 'identityRules' | 'principals' | 'keys'>,
  { ruleId, principal: name, nkey, channelKey, openedAt, expiresAt }: BundleSession,
): boolean {
  const rule = identityRules.get(ruleId);
  const principal = principals.get(name);
  if (rule === undefined || principal === undefined || rule.principal !== name) return false;
  if (principal.kind === 'system' || (isPrivileged(principal) && !rule.privileged)) return false;
  if (keys.has(nkey) || keys.has(channelKey)) return false;
  return Date.parse(expiresAt) - Date.parse(openedAt) <= rule.maxSessionSeconds * SECOND;
}

/** Each that has its key for itself. */
function onlyOnes(
  sessions: readonly BundleSession[],
  keyOf: (session: BundleSession) => string,
): ReadonlyMap<string, BundleSession> {
  const byKey = new Map<string, BundleSession>();
  const twice = new Set<string>();
  for (const session of sessions) {
    const key = keyOf(session);
    if (byKey.has(key)) twice.add(key);
    byKey.set(key, session);
  }
  for (const key of twice) byKey.delete(key);
  return byKey;
}

/** Checked when first asked for, once for a session under a rule: every bundle brings all of them again. */
const proven = new LRUCache<string, boolean>({ max: 4_096 });

function isProven(
  { trustRoot, identityRules }: Pick<FoldState, 'trustRoot' | 'identityRules'>,
  session: BundleSession,
): boolean {
  const rule = identityRules.get(session.ruleId);
  if (rule === undefined) return false;
  // INVARIANT: the proof that the rule asks for, and no other.
  if (rule.identity.kind === 'token') return session.certificate === undefined;
  const key = Buffer.from(canonicalBytes([trustRoot.meshId, rule.statementId, session])).toString('base64');
  const known = proven.get(key);
  if (known !== undefined) return known;
  const holds = isCertified(rule, session, trustRoot.meshId);
  proven.set(key, holds);
  return holds;
}

function isCertified({ identity }: IdentityRule, session: BundleSession, meshId: string): boolean {
  const { certificate, nkey, channelKey, openedAt, expiresAt } = session;
  if (certificate === undefined || identity.kind !== 'certificate') return false;
  const endsMs = Date.parse(expiresAt);
  return (
    endsMs <= Date.parse(certificate.notAfter) &&
    endsMs <= certificateEndMs(certificate) &&
    refuseCertificate(identity, { meshId, nkey, channelKey }, certificate, Date.parse(openedAt)) === undefined
  );
}
