import { failure } from '@keymesh/contracts';
import type { DirectoryEntry } from '@keymesh/policy-engine';
import type { PolicyState } from './ports.js';

/** @throws PRINCIPAL_NOT_FOUND */
export function findPrincipal({ directory }: PolicyState, name: string): DirectoryEntry {
  const entry = directory.find(name);
  if (entry === undefined) throw failure('PRINCIPAL_NOT_FOUND');
  return entry;
}

/** Whether somebody else could still act as operator. */
export const anotherOperatorRemains = ({ directory }: PolicyState, without: string): boolean =>
  directory
    .list()
    .some(({ name, roles, status }) => name !== without && roles.includes('operator') && status === 'active');

/** What is taken from a principal now, less what has ended. */
export const takingsOf = ({ directory }: PolicyState, principal: string, nowMs: number) =>
  directory.taken.filter(
    (taking) => taking.principal === principal && (taking.until === null || Date.parse(taking.until) > nowMs),
  );

/** A principal's nkeys: for good, and of its sessions. */
export const nkeysOf = (
  { directory }: Pick<PolicyState, 'directory'>,
  principal: string,
): readonly string[] => [
  ...(directory.find(principal)?.nkeys ?? []),
  ...directory
    .sessions()
    .filter((session) => session.principal === principal)
    .map(({ nkey }) => nkey),
];
