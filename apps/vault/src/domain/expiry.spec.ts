import { describe, expect, it } from '@jest/globals';
import { DAY } from '@keymesh/kernel';
import { aCredential } from '../../test/a-credential.js';
import { countExpired, countExpiring, dueNotice, nextNoticeAtMs } from './expiry.js';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const expiringIn = (days: number) => aCredential({ expiresAtMs: NOW + days * DAY });

describe('a notice of expiry', () => {
  it.each([
    [31, undefined, 1],
    [30, 30, 16],
    [20, 30, 6],
    [14, 14, 7],
    [8, 14, 1],
    [7, 7, 6],
    [1, 1, 1],
    [0.5, 1, 0.5],
    [0, 0, undefined],
    [-400, 0, undefined],
  ])('of a credential that expires in %s days is that of %s days, the next in %s', (days, due, next) => {
    expect(dueNotice(expiringIn(days), NOW)?.daysBefore).toBe(due);
    expect(nextNoticeAtMs(expiringIn(days), NOW)).toBe(next === undefined ? undefined : NOW + next * DAY);
  });

  it('is never due for what does not expire', () => {
    const forever = aCredential({ type: 'generic', expiresAtMs: null });
    expect(dueNotice(forever, NOW)).toBeUndefined();
    expect(nextNoticeAtMs(forever, NOW)).toBeUndefined();
  });

  it('counts what expires soon apart from what has expired', () => {
    const all = [-1, 0, 3, 7, 8, 30, 31].map(expiringIn);
    expect([countExpiring(all, 7, NOW), countExpiring(all, 30, NOW), countExpired(all, NOW)]).toEqual([
      2, 4, 2,
    ]);
  });
});
