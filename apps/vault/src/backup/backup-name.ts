/** How every backup's name ends. */
export const SUFFIX = '.keymesh-backup';

const NAME =
  /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.keymesh-backup$/;

/** What a name says: for sorting and retention. The backup itself says it under its key. */
export interface NamedBackup {
  readonly name: string;
  readonly backupId: string;
  /** ISO 8601, whole seconds, UTC. */
  readonly createdAt: string;
}

/** `20261126T013300Z-<id>.keymesh-backup`: names sort by time. @param createdAt ISO 8601 in UTC */
export const backupNameOf = ({ backupId, createdAt }: Omit<NamedBackup, 'name'>): string =>
  `${createdAt.slice(0, 19).replaceAll(/[-:]/g, '')}Z-${backupId}${SUFFIX}`;

/** @returns undefined for a name that is not ours. */
export function parseBackupName(name: string): NamedBackup | undefined {
  const [, year, month, day, hour, minute, second, backupId] = NAME.exec(name) ?? [];
  if (year === undefined || backupId === undefined) return undefined;
  const createdAt = `${year}-${String(month)}-${String(day)}T${String(hour)}:${String(minute)}:${String(second)}Z`;
  return Number.isNaN(Date.parse(createdAt)) ? undefined : { name, backupId, createdAt };
}

/** Those that are ours, newest first. */
export const newestFirst = (names: readonly string[]): NamedBackup[] =>
  names
    .flatMap((name) => parseBackupName(name) ?? [])
    .sort((a, b) => (a.name < b.name ? 1 : a.name > b.name ? -1 : 0));
