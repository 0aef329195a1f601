import { systemClock, type Clock } from '@keymesh/kernel';
import type { BundleSession, KillSwitch, TrustRoot } from '@keymesh/contracts';
import { holdApprovals, type HeldApproval } from './approvals.js';
import type { Directory, DirectoryEntry, Taken } from './directory.js';
import { makeEntries } from './directory-entries.js';
import { applyStatement } from './fold.js';
import { THE_ONE } from './fold-credential-policy.js';
import { SHADOW } from './fold-shadow.js';
import { copyFold, emptyFold, type FoldState } from './fold-state.js';
import { makeKills } from './kills.js';
import { sessionsOf } from './sessions.js';

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
  const { statusOf, entryOf, invited } = makeEntries(taken, kills, state.openings, clock);
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
