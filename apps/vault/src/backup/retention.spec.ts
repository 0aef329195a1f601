import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { v7 as uuidv7 } from 'uuid';
import { backupNameOf, newestFirst, parseBackupName } from './backup-name.js';
import { expiredBackups, retentionText } from './retention.js';

const named = (times: readonly string[]) =>
  newestFirst(times.map((createdAt) => backupNameOf({ backupId: uuidv7(), createdAt })));
const daysAgo = (days: number, hour = 3): string =>
  new Date(Date.UTC(2026, 10, 26 - days, hour)).toISOString();

describe('retention', () => {
  test('keeps the last ones, and the newest of each day and week', () => {
    const all = named([
      ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 14, 21, 40].map((days) => daysAgo(days)),
      daysAgo(1, 9), // the newest of that day
    ]);
    const kept = (text: string): string[] => {
      const gone = new Set(expiredBackups(all, retentionText.parse(text)));
      return all.filter((backup) => !gone.has(backup)).map(({ createdAt }) => createdAt.slice(0, 13));
    };
    expect(kept('last=2')).toEqual(['2026-11-26T03', '2026-11-25T09']);
    expect(kept('daily=3')).toEqual(['2026-11-26T03', '2026-11-25T09', '2026-11-24T03']);
    // 26 November 2026 is a Thursday; weeks begin on Monday.
    expect(kept('weekly=3')).toEqual(['2026-11-26T03', '2026-11-22T03', '2026-11-12T03']);
  });

  test('never removes the newest one, and never more than asked', () => {
    const times = fc.array(fc.integer({ min: 0, max: 400 * 24 }), { maxLength: 60 });
    const count = fc.integer({ min: 0, max: 9 });
    fc.assert(
      fc.property(times, count, count, count, (hours, last, daily, weekly) => {
        const all = named(hours.map((hour) => new Date(Date.UTC(2026, 0, 1, hour)).toISOString()));
        const gone = expiredBackups(all, { last, daily, weekly });
        expect(gone).not.toContain(all[0]);
        expect(all.length - gone.length).toBeGreaterThanOrEqual(Math.min(all.length, Math.max(1, last, 1)));
        expect(all.length - gone.length).toBeLessThanOrEqual(Math.max(1, last) + daily + weekly);
      }),
    );
  });

  test('refuses what it cannot read', () => {
    for (const text of ['', 'last', 'last=-1', 'hourly=2', 'last=1;daily=2'])
      expect(retentionText.safeParse(text).success).toBe(false);
  });
});

describe('names of backups', () => {
  test('sort by time and say what they are; others are passed over', () => {
    const backupId = uuidv7();
    const name = backupNameOf({ backupId, createdAt: '2026-11-26T01:02:03.456Z' });
    expect(name).toBe(`20261126T010203Z-${backupId}.keymesh-backup`);
    expect(parseBackupName(name)).toEqual({ name, backupId, createdAt: '2026-11-26T01:02:03Z' });
    expect(
      newestFirst(['notes.txt', `${name}.unfinished`, `../${name}`, '99999999T999999Z-x.keymesh-backup']),
    ).toEqual([]);
  });
});
