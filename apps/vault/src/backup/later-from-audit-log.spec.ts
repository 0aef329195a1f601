import { describe, expect, test } from '@jest/globals';
import type { AuditRecord } from '@keymesh/contracts';
import { v7 as uuidv7 } from 'uuid';
import { makeLaterReader } from './later-from-audit-log.js';
import { firstRevisionOf, nextEpoch } from './restore-epoch.js';
import fc from 'fast-check';

const credentialId = uuidv7();
const at = '2026-11-26T02:00:00.000Z';
const record = (type: string, more: Partial<AuditRecord> = {}): AuditRecord => ({
  ...{ v: 1, id: uuidv7(), time: at, type, service: 'vault', instance: 'x', outcome: 'success' },
  resource: { kind: 'credential', id: credentialId },
  ...more,
});
const fold = (...records: readonly AuditRecord[]) => {
  const reader = makeLaterReader();
  for (const one of records) reader.take(one);
  return reader.later();
};
const of = (...records: readonly AuditRecord[]) => fold(...records).credentials.get(credentialId);

describe('what an audit log says of the time after a backup', () => {
  test('every number ever given counts, also of what failed', () => {
    const version = (number: number, outcome: AuditRecord['outcome']) =>
      record('credential.stored', {
        outcome,
        resource: { kind: 'credential', id: credentialId, version: number, revision: number * 10 },
      });
    expect(of(version(3, 'success'), version(9, 'failure'), version(4, 'success'))).toMatchObject({
      lastVersion: 9,
    });
    expect(fold(version(3, 'success'), version(9, 'failure')).maxRevision).toBe(90);
  });

  test('the last word on deletion and activity counts, and only of what succeeded', () => {
    const [deleted, restored] = [record('credential.deleted'), record('credential.restored')];
    expect(of(deleted)?.deletedAtMs).toBe(Date.parse(at));
    expect(of(deleted, restored)?.deletedAtMs).toBeNull();
    expect(of(record('credential.deleted', { outcome: 'denied' }))?.deletedAtMs).toBeNull();
    const forGood = record('credential.deleted', { facts: { recoveryDays: 0 } });
    expect([of(deleted)?.purgedAtMs, of(forGood)?.purgedAtMs]).toEqual([null, Date.parse(at)]);
    expect(of(record('credential.deactivated'))?.inactive).toBe(true);
    expect(of(record('credential.deactivated'), record('credential.activated'))?.inactive).toBe(false);
  });

  test('what was destroyed stays destroyed, whatever came after', () => {
    const destroyed = record('version.destroyed', {
      resource: { kind: 'credential', id: credentialId, version: 2 },
    });
    expect(of(destroyed, record('credential.activated'))?.destroyed).toEqual(new Map([[2, Date.parse(at)]]));
  });

  test('who was disabled or locked at the end is so again', () => {
    const about = (type: string, principal: string, facts: AuditRecord['facts'] = {}) =>
      record(type, { service: 'policy', resource: { kind: 'principal', id: principal }, facts });
    const until = '2026-11-27T00:00:00.000Z';
    const { takings } = fold(
      about('principal.disabled', 'eve'),
      about('principal.disabled', 'bob'),
      about('principal.enabled', 'bob'),
      about('principal.locked', 'carol', { lockSeconds: 60, lockedUntil: until }),
      about('principal.locked', 'dave', { lockSeconds: 60, lockedUntil: until }),
      about('principal.unlocked', 'dave'),
    );
    expect(takings.map(({ principal, status, until: end }) => [principal, status, end])).toEqual([
      ['eve', 'disabled', null],
      ['carol', 'locked', until],
    ]);
  });

  test('who lost roles, or keys by an operator’s word, is disabled, because a backup gives them back', () => {
    const about = (type: string, id: string, by: string, facts: AuditRecord['facts'] = {}) =>
      record(type, { service: 'policy', principal: by, resource: { kind: 'principal', id }, facts });
    const { takings } = fold(
      about('principal.roles-set', 'demoted', 'operator', { before: 'reader writer', roles: 'reader' }),
      about('principal.roles-set', 'emptied', 'operator', { before: 'reader', roles: '' }),
      about('principal.roles-set', 'promoted', 'operator', { before: '', roles: 'reader' }),
      about('principal.keys-removed', 'robbed', 'operator'),
      about('principal.enabled', 'robbed', 'operator'),
      about('principal.keys-removed', 'rotated', 'rotated'),
    );
    expect(takings.map(({ principal, status }) => [principal, status])).toEqual([
      ['demoted', 'disabled'],
      ['emptied', 'disabled'],
      ['robbed', 'disabled'],
    ]);
  });

  test('kill switches that were set and not lifted stand again', () => {
    const about = (type: string, killId: string, facts: AuditRecord['facts'] = {}) =>
      record(type, {
        service: 'policy',
        principal: 'operator',
        facts: { killId, scope: 'everyone', ...facts },
      });
    const { kills } = fold(
      about('kill-switch.set', 'a'),
      about('kill-switch.set', 'b', { scope: 'namespace', name: 'billing' }),
      about('kill-switch.set', 'c', { scope: 'principal', name: 'eve' }),
      about('kill-switch.lifted', 'c', { scope: 'principal', name: 'eve' }),
    );
    expect(kills.map(({ killId, scope, name, by }) => [killId, scope, name, by])).toEqual([
      ['a', 'everyone', null, 'operator'],
      ['b', 'namespace', 'billing', 'operator'],
    ]);
  });

  test('epochs that were begun are known', () => {
    expect(
      fold(record('backup.restored', { resource: { kind: 'backup' }, facts: { epoch: 8_000 } })).maxEpoch,
    ).toBe(8_000);
  });
});

describe('a restore epoch', () => {
  test('is above every known one, and its revisions above every one that was seen', () => {
    const hours = fc.integer({ min: 1, max: 20 * 366 * 24 });
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 20 }),
        fc.maxSafeInteger().map((n) => Math.floor(Math.abs(n) / 16)),
        hours,
        (knownEpoch, seenRevision, hour) => {
          const nowMs = Date.UTC(2026, 0, 1, hour);
          const epoch = nextEpoch({ knownEpoch, seenRevision, nowMs });
          expect(epoch).toBeGreaterThan(knownEpoch);
          expect(firstRevisionOf(epoch)).toBeGreaterThan(seenRevision);
          expect(Number.isSafeInteger(firstRevisionOf(epoch + 1))).toBe(true);
          // Two restores that know nothing of each other, an hour apart, differ too.
          const unaware = (ms: number): number => nextEpoch({ knownEpoch: 0, seenRevision: 0, nowMs: ms });
          expect(unaware(nowMs + 3_600_000)).toBe(unaware(nowMs) + 1);
        },
      ),
    );
  });
});
