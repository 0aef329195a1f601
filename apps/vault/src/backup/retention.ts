import { z } from 'zod';
import type { NamedBackup } from './backup-name.js';

/** How many backups stay: the newest ones, and the newest of each of the last days and weeks that have any. */
export interface Retention {
  readonly last: number;
  readonly daily: number;
  readonly weekly: number;
}

const PART = /^(last|daily|weekly)=(\d{1,4})$/;

/** `last=7,daily=14,weekly=8`; what is not named keeps none. */
export const retentionText = z.string().transform((text, context): Retention => {
  const parts = text.split(',').map((part) => PART.exec(part.trim()));
  const kept = { last: 0, daily: 0, weekly: 0 };
  for (const part of parts) {
    if (part === null) {
      context.issues.push({
        code: 'custom',
        input: undefined,
        message: 'must be like last=7,daily=14,weekly=8',
      });
      return z.NEVER;
    }
    kept[part[1] as keyof Retention] = Number(part[2]);
  }
  return kept;
});

/**
 * Which backups may go. INVARIANT: never the newest one, whatever is asked for.
 * @param newestFirst every backup there is.
 */
export function expiredBackups(newestFirst: readonly NamedBackup[], retention: Retention): NamedBackup[] {
  const kept = new Set(newestFirst.slice(0, Math.max(1, retention.last)));
  for (const [periodOf, count] of [
    [dayOf, retention.daily],
    [weekOf, retention.weekly],
  ] as const) {
    const seen = new Set<string>();
    for (const backup of newestFirst) {
      const period = periodOf(backup.createdAt);
      if (seen.size === count || seen.has(period)) continue;
      seen.add(period);
      kept.add(backup);
    }
  }
  return newestFirst.filter((backup) => !kept.has(backup));
}

const dayOf = (createdAt: string): string => createdAt.slice(0, 10);

/** Weeks begin on Monday, UTC: named by that day. */
function weekOf(createdAt: string): string {
  const day = new Date(createdAt);
  day.setUTCDate(day.getUTCDate() - ((day.getUTCDay() + 6) % 7));
  return day.toISOString().slice(0, 10);
}
