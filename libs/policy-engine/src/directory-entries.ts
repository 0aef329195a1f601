import type { Clock } from '@keymesh/kernel';
import type { DirectoryEntry, Taken } from './directory.js';
import { isOpenNow } from './fold-break-glass.js';
import type { FoldState, GrantedPrincipal, OpenEnrolment } from './fold-state.js';
import type { Kills } from './kills.js';

type Status = Pick<DirectoryEntry, 'status' | 'lockedUntil'>;

// INVARIANT: what is taken can only turn `active` into something less; no list of takings or kill switches makes a principal active.
export function makeEntries(
  taken: readonly Taken[],
  kills: Kills,
  openings: FoldState['openings'],
  clock: Clock,
) {
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
