import { systemClock, type Clock } from '@keymesh/kernel';
import type {
  PolicyBundle,
  PrincipalAttributes,
  PrincipalKind,
  Role,
  Statement,
  TrustRoot,
} from '@keymesh/contracts';
import {
  copyFold,
  emptyFold,
  type FoldState,
  type GrantedPrincipal,
  type OpenEnrolment,
  type PendingPolicy,
  type WrittenPolicy,
} from './fold-state.js';
import { applyStatement } from './fold.js';

export type Taken = PolicyBundle['taken'][number];
export type PrincipalStatus = 'invited' | 'active' | 'disabled' | 'locked';

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
}

/** Who is who, folded from statements, less what was taken away. Immutable; only time changes its answers. */
export interface Directory {
  readonly meshId: string;
  /** The statements it was folded from, in order. */
  readonly statements: readonly string[];
  readonly taken: readonly Taken[];
  find(name: string): DirectoryEntry | undefined;
  findByNkey(nkey: string): DirectoryEntry | undefined;
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
  /** Open enrolment of a principal, expired or not. */
  enrolmentOf(principal: string): OpenEnrolment | undefined;
  /** Whether this Ed25519 key signs channel set-ups of that principal. False for disabled principals; status locked is for the caller. */
  isChannelKeyOf(principal: string, publicKey: string): boolean;
  /** A new directory with further statements. @throws STATEMENT_REJECTED, and this one is unchanged. */
  extend(texts: readonly string[]): Directory;
  /** The same grants with another list of what is taken away. */
  withTaken(taken: readonly Taken[]): Directory;
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
  return directoryOf(fold(emptyFold(trustRoot), texts), texts, [], clock);
}

function fold(state: FoldState, texts: readonly string[]): FoldState {
  for (const text of texts) applyStatement(state, text);
  return state;
}

function directoryOf(
  state: FoldState,
  statements: readonly string[],
  taken: readonly Taken[],
  clock: Clock,
): Directory {
  const { statusOf, entryOf, invited } = makeStatus(taken, clock);
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
    meshId: state.trustRoot.meshId,
    statements,
    taken,
    find,
    findByNkey: (nkey) => {
      const name = byNkey.get(nkey);
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
    historyOf: (subject) => state.history.get(subject) ?? [],
    policies: [...state.policies.values()].sort((a, b) => (a.policyId < b.policyId ? -1 : 1)),
    pendingPolicies: [...state.pendingPolicies.values()],
    enrolmentOf: (principal) => state.enrolments.get(principal),
    isChannelKeyOf: (name, publicKey) => {
      const principal = state.principals.get(name);
      if (principal === undefined || statusOf(principal).status === 'disabled') return false;
      return principal.channelKeys.includes(publicKey);
    },
    extend: (texts) => directoryOf(fold(copyFold(state), texts), [...statements, ...texts], taken, clock),
    withTaken: (next) => directoryOf(state, statements, next, clock),
  };
}

type Status = Pick<DirectoryEntry, 'status' | 'lockedUntil'>;

// INVARIANT: what is taken can only turn `active` into something less; no list of takings makes a principal active.
function makeStatus(taken: readonly Taken[], clock: Clock) {
  const byPrincipal = new Map<string, Taken[]>();
  for (const taking of taken)
    byPrincipal.set(taking.principal, [...(byPrincipal.get(taking.principal) ?? []), taking]);
  const statusOf = ({ name, disabled }: { name: string; disabled: boolean }): Status => {
    const inForce = (byPrincipal.get(name) ?? []).filter(
      ({ until }) => until === null || clock.now() < Date.parse(until),
    );
    if (disabled || inForce.some(({ status }) => status === 'disabled'))
      return { status: 'disabled', lockedUntil: null };
    if (inForce.length === 0) return { status: 'active', lockedUntil: null };
    return { status: 'locked', lockedUntil: latest(inForce.map(({ until }) => until)) };
  };
  const entryOf = (principal: GrantedPrincipal): DirectoryEntry => {
    const { name, kind, roles, nkeys, channelKeys, attributes, createdAt } = principal;
    return { name, kind, roles, nkeys, channelKeys, attributes, createdAt, ...statusOf(principal) };
  };
  // An invitation that anything was taken from is not open: its token neither connects nor enrols.
  const invited = ({ principal: name, kind, roles, issuedAt: createdAt }: OpenEnrolment): DirectoryEntry => {
    const { status, lockedUntil } = statusOf({ name, disabled: false });
    const shown = status === 'active' ? ('invited' as const) : status;
    const none = { nkeys: [], channelKeys: [], attributes: {} };
    return { name, kind, roles, ...none, status: shown, lockedUntil, createdAt };
  };
  return { statusOf, entryOf, invited };
}

const latest = (untils: readonly (string | null)[]): string | null =>
  untils.reduce((a, b) => (a === null || b === null ? null : Date.parse(a) < Date.parse(b) ? b : a));
