import { systemClock, type Clock } from '@keymesh/kernel';
import type {
  BundleSession,
  KillSwitch,
  PolicyBundle,
  PolicyRequest,
  PrincipalAttributes,
  PrincipalKind,
  Role,
  Statement,
  TrustRoot,
} from '@keymesh/contracts';
import {
  copyFold,
  emptyFold,
  type BreakGlassOpening,
  type FoldState,
  type GrantedPrincipal,
  type IdentityRule,
  type Lifting,
  type OpenEnrolment,
  type PendingPolicy,
  type WrittenPolicy,
} from './fold-state.js';
import { holdApprovals, type HeldApproval } from './approvals.js';
import { isOpenNow } from './fold-break-glass.js';
import { THE_ONE, type WrittenCredentialPolicy } from './fold-credential-policy.js';
import { SHADOW, type ShadowGrant } from './fold-shadow.js';
import { applyStatement } from './fold.js';
import { makeKills, type Kills } from './kills.js';
import { sessionsOf } from './sessions.js';

export type Taken = PolicyBundle['taken'][number];
/** `killed`: stopped by a kill switch, until an operator lifts it. */
export type PrincipalStatus = 'invited' | 'active' | 'disabled' | 'locked' | 'killed';

/** A principal as of now. */
export interface DirectoryEntry {
  readonly name: string;
  readonly kind: PrincipalKind;
  readonly roles: readonly Role[];
  /** NATS user public keys; empty while invited. */
  readonly nkeys: readonly string[];
  /** Ed25519 public keys, base64url; empty while invited. */
  readonly channelKeys: readonly string[];
  readonly attributes: PrincipalAttributes;
  readonly status: PrincipalStatus;
  /** End of the lock; null when not locked or locked without an end. */
  readonly lockedUntil: string | null;
  readonly createdAt: string;
  /** End of its break-glass; only while that is open. */
  readonly breakGlassUntil?: string;
}

/** Who is who, folded from statements, less what was taken away. Immutable; only time changes its answers. */
export interface Directory {
  readonly meshId: string;
  /** The statements it was folded from, in order. */
  readonly statements: readonly string[];
  readonly taken: readonly Taken[];
  find(name: string): DirectoryEntry | undefined;
  /** Whose nkey it is: for good, or of a live session. */
  findByNkey(nkey: string): DirectoryEntry | undefined;
  /** The live session of an nkey, by an identity rule. */
  findSession(nkey: string): BundleSession | undefined;
  /** Live sessions by identity rules. What they are good for ends with their principal's status, as its own keys do. */
  sessions(): readonly BundleSession[];
  /** Other proofs of identity that operators let stand for principals, by id. */
  readonly identityRules: readonly IdentityRule[];
  /** By name. */
  list(): readonly DirectoryEntry[];
  /** The open enrolment of a token's nkey, unless it has expired by now or was taken away. */
  findEnrolment(tokenNkey: string): OpenEnrolment | undefined;
  /** What was said about a principal or another subject (`policy:<id>`), in order: who said what, and when. */
  historyOf(subject: string): readonly Statement[];
  /** Policies that operators wrote, in force, by id. */
  readonly policies: readonly WrittenPolicy[];
  /** Changes of policies that wait for a second person. */
  readonly pendingPolicies: readonly PendingPolicy[];
  /** What is in the shadow, without its texts; undefined: nothing. */
  readonly shadow: ShadowGrant | undefined;
  /** The credential policy that operators wrote; null: none. */
  readonly credentialPolicy: WrittenCredentialPolicy | null;
  /** Every opening of break-glass, in order. */
  readonly openings: readonly BreakGlassOpening[];
  /** Approvals of the bundle whose signature holds; whether one counts is for `approvalsGiven`. */
  readonly approvals: readonly HeldApproval[];
  /** Open enrolment of a principal, expired or not. */
  enrolmentOf(principal: string): OpenEnrolment | undefined;
  /** Kill switches in force: those that nobody has lifted. */
  readonly kills: readonly KillSwitch[];
  /** Who lifted a kill switch, in force before or not. */
  liftingOf(killId: string): Lifting | undefined;
  /** The kill switch that forbids this because of the namespace that it is about. */
  killForbidding(request: PolicyRequest): KillSwitch | undefined;
  /** Whether this Ed25519 key signs channel set-ups of that principal. False for disabled and killed principals; status locked is for the caller. */
  isChannelKeyOf(principal: string, publicKey: string): boolean;
  /** A new directory with further statements. @throws STATEMENT_REJECTED, and this one is unchanged. */
  extend(texts: readonly string[]): Directory;
  /** The same grants with another list of what is taken away. */
  withTaken(taken: readonly Taken[]): Directory;
  /** The same with another list of kill switches; those that were lifted stay void. */
  withKills(kills: readonly KillSwitch[]): Directory;
  /** The same with other session keys; those that no rule carries are as if they were not there. */
  withSessions(sessions: readonly BundleSession[]): Directory;
  /** The same with another list of approvals; texts that do not hold are dropped. */
  withApprovals(texts: readonly string[]): Directory;
}

/** @param clock tells expiry of enrolments and locks; default: the system's. */
export interface DirectoryOptions {
  readonly clock?: Clock;
}

/**
 * Folds statements, in order, from the trust root. Deterministic.
 * @throws STATEMENT_REJECTED at the first statement that does not follow from those before it.
 */
export function foldStatements(
  trustRoot: TrustRoot,
  texts: readonly string[],
  { clock = systemClock }: DirectoryOptions = {},
): Directory {
  return directoryOf(fold(emptyFold(trustRoot), texts), texts, NOTHING_AWAY, clock);
}

function fold(state: FoldState, texts: readonly string[]): FoldState {
  for (const text of texts) applyStatement(state, text);
  return state;
}

/** What the bundle takes away from what statements grant; and what approvers, who sign for themselves, said. */
interface Away {
  readonly taken: readonly Taken[];
  /** Also those that were lifted. */
  readonly kills: readonly KillSwitch[];
  /** Gives: what identity rules carry of it (sessions.ts). */
  readonly sessions: readonly BundleSession[];
  readonly approvals: readonly HeldApproval[];
}
const NOTHING_AWAY: Away = { taken: [], kills: [], sessions: [], approvals: [] };

function directoryOf(state: FoldState, statements: readonly string[], away: Away, clock: Clock): Directory {
  const { taken } = away;
  const inForce = away.kills.filter(({ killId }) => !state.lifted.has(killId));
  const kills = makeKills(inForce);
  const sessions = sessionsOf(state, away.sessions, clock);
  const { statusOf, entryOf, invited } = makeStatus(taken, kills, state.openings, clock);
  const byNkey = new Map(
    [...state.principals.values()].flatMap((principal) =>
      principal.nkeys.map((nkey) => [nkey, principal.name]),
    ),
  );
  const byToken = new Map([...state.enrolments.values()].map((open) => [open.tokenNkey, open]));
  const find = (name: string): DirectoryEntry | undefined => {
    const principal = state.principals.get(name);
    if (principal !== undefined) return entryOf(principal);
    const open = state.enrolments.get(name);
    return open === undefined ? undefined : invited(open);
  };
  return {
    ...wordsOf(state),
    ...successorsOf(state, statements, away, clock),
    meshId: state.trustRoot.meshId,
    statements,
    taken,
    find,
    findByNkey: (nkey) => {
      const name = byNkey.get(nkey) ?? sessions.findByNkey(nkey)?.principal;
      return name === undefined ? undefined : find(name);
    },
    list: () =>
      [...state.principals.values()]
        .map(entryOf)
        .concat([...state.enrolments.values()].map(invited))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    findEnrolment: (tokenNkey) => {
      const open = byToken.get(tokenNkey);
      if (open === undefined || clock.now() > Date.parse(open.expiresAt)) return undefined;
      return invited(open).status === 'invited' ? open : undefined;
    },
    findSession: (nkey) => sessions.findByNkey(nkey),
    sessions: () => sessions.list(),
    approvals: away.approvals,
    isChannelKeyOf: (name, publicKey) => {
      const principal = state.principals.get(name);
      if (principal === undefined || ['disabled', 'killed'].includes(statusOf(principal).status))
        return false;
      return principal.channelKeys.includes(publicKey) || sessions.isChannelKeyOf(name, publicKey);
    },
    kills: inForce,
    killForbidding: (request) => kills.forbidding(request),
  };
}

type Words =
  | 'identityRules'
  | 'historyOf'
  | 'policies'
  | 'pendingPolicies'
  | 'shadow'
  | 'credentialPolicy'
  | 'openings'
  | 'enrolmentOf'
  | 'liftingOf';

/** What statements say, and nothing else has a part in. */
const wordsOf = (state: FoldState): Pick<Directory, Words> => ({
  identityRules: [...state.identityRules.values()].sort((a, b) => (a.ruleId < b.ruleId ? -1 : 1)),
  historyOf: (subject) => state.history.get(subject) ?? [],
  policies: [...state.policies.values()].sort((a, b) => (a.policyId < b.policyId ? -1 : 1)),
  pendingPolicies: [...state.pendingPolicies.values()],
  shadow: state.shadow.get(SHADOW),
  credentialPolicy: state.credentialPolicy.get(THE_ONE) ?? null,
  openings: [...state.openings.values()],
  enrolmentOf: (principal) => state.enrolments.get(principal),
  liftingOf: (killId) => state.lifted.get(killId),
});

type Successors = 'extend' | 'withTaken' | 'withKills' | 'withSessions' | 'withApprovals';

const successorsOf = (
  state: FoldState,
  statements: readonly string[],
  away: Away,
  clock: Clock,
): Pick<Directory, Successors> => ({
  extend: (texts) => directoryOf(fold(copyFold(state), texts), [...statements, ...texts], away, clock),
  withTaken: (next) => directoryOf(state, statements, { ...away, taken: next }, clock),
  withKills: (next) => directoryOf(state, statements, { ...away, kills: next }, clock),
  withSessions: (next) => directoryOf(state, statements, { ...away, sessions: next }, clock),
  withApprovals(texts) {
    const approvals = holdApprovals(texts, state.trustRoot.meshId, away.approvals);
    return directoryOf(state, statements, { ...away, approvals }, clock);
  },
});

type Status = Pick<DirectoryEntry, 'status' | 'lockedUntil'>;

// INVARIANT: what is taken can only turn `active` into something less; no list of takings or kill switches makes a principal active.
function makeStatus(taken: readonly Taken[], kills: Kills, openings: FoldState['openings'], clock: Clock) {
  // The newest of each: a principal has one open at a time.
  const openingOf = new Map([...openings.values()].map((opening) => [opening.principal, opening]));
  const byPrincipal = new Map<string, Taken[]>();
  for (const taking of taken)
    byPrincipal.set(taking.principal, [...(byPrincipal.get(taking.principal) ?? []), taking]);
  const statusOf = (principal: Pick<GrantedPrincipal, 'name' | 'kind' | 'roles' | 'disabled'>): Status => {
    const { name, disabled } = principal;
    const inForce = (byPrincipal.get(name) ?? []).filter(
      ({ until }) => until === null || clock.now() < Date.parse(until),
    );
    if (disabled || inForce.some(({ status }) => status === 'disabled'))
      return { status: 'disabled', lockedUntil: null };
    if (kills.stops(principal)) return { status: 'killed', lockedUntil: null };
    if (inForce.length === 0) return { status: 'active', lockedUntil: null };
    return { status: 'locked', lockedUntil: latest(inForce.map(({ until }) => until)) };
  };
  const entryOf = (principal: GrantedPrincipal): DirectoryEntry => {
    const { name, kind, roles, nkeys, channelKeys, attributes, createdAt } = principal;
    const opening = openingOf.get(name);
    const isOpen = opening !== undefined && isOpenNow(opening, clock.now());
    return {
      ...{ name, kind, roles, nkeys, channelKeys, attributes, createdAt },
      ...statusOf(principal),
      ...(isOpen ? { breakGlassUntil: opening.until } : {}),
    };
  };
  // An invitation that anything was taken from is not open: its token neither connects nor enrols.
  const invited = ({ principal: name, kind, roles, issuedAt: createdAt }: OpenEnrolment): DirectoryEntry => {
    const { status, lockedUntil } = statusOf({ name, kind, roles, disabled: false });
    const shown = status === 'active' ? ('invited' as const) : status;
    const none = { nkeys: [], channelKeys: [], attributes: {} };
    return { name, kind, roles, ...none, status: shown, lockedUntil, createdAt };
  };
  return { statusOf, entryOf, invited };
}

const latest = (untils: readonly (string | null)[]): string | null =>
  untils.reduce((a, b) => (a === null || b === null ? null : Date.parse(a) < Date.parse(b) ? b : a));
