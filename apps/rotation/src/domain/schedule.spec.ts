import { describe, expect, it } from '@jest/globals';
import type { CredentialMetadata } from '@keymesh/contracts';
import { DAY, HOUR } from '@keymesh/kernel';
import fc from 'fast-check';
import { dueAt, jittered } from './schedule.js';

const made = Date.UTC(2026, 0, 1);
const credential = (rotation: CredentialMetadata['rotation'], isActive = true): CredentialMetadata => ({
  credentialId: '01890000-0000-7000-8000-000000000002',
  name: 'a',
  namespace: 'default',
  type: 'generic',
  provider: null,
  description: null,
  tags: [],
  owner: 'alice',
  label: null,
  status: isActive ? 'active' : 'inactive',
  isActive,
  sensitivity: null,
  strengthScore: null,
  deletedAt: null,
  recoverableUntil: null,
  version: 1,
  revision: 1,
  rotation,
  createdAt: new Date(made).toISOString(),
  updatedAt: new Date(made).toISOString(),
  versionCreatedAt: new Date(made).toISOString(),
  expiresAt: null,
});

describe('the schedule', () => {
  it('rotates after 30 days unless the credential says otherwise', () => {
    expect(dueAt(credential({ adapter: 'generated' }))).toBe(made + 30 * DAY);
    expect(dueAt(credential({ adapter: 'generated', intervalSeconds: 60 }))).toBe(made + 60_000);
  });

  it('never rotates by itself what is inactive, has no adapter, or has interval 0', () => {
    expect(dueAt(credential(null))).toBeUndefined();
    expect(dueAt(credential({ adapter: 'generated', intervalSeconds: 0 }))).toBeUndefined();
    expect(dueAt(credential({ adapter: 'generated' }, false))).toBeUndefined();
  });

  it('asks a failing provider ever more seldom, at least daily, and never before the interval is over', () => {
    const short = credential({ adapter: 'generated', intervalSeconds: 1 });
    const lastAt = made + 5 * DAY;
    expect(dueAt(short, { count: 1, lastAt })).toBe(lastAt + HOUR);
    expect(dueAt(short, { count: 3, lastAt })).toBe(lastAt + 4 * HOUR);
    expect(dueAt(short, { count: 50, lastAt })).toBe(lastAt + DAY);
    const long = credential({ adapter: 'generated' });
    expect(dueAt(long, { count: 1, lastAt })).toBe(made + 30 * DAY);
  });

  it('jitters by at most a fifth', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e6 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (mean, random) => {
          expect(Math.abs(jittered(mean, random) - mean)).toBeLessThanOrEqual(mean / 5 + 1);
        },
      ),
    );
  });
});
