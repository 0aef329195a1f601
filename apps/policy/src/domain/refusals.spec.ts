import { describe, expect, it } from '@jest/globals';
import { MINUTE } from '@keymesh/kernel';
import { makeTestClock } from '@keymesh/testing';
import fc from 'fast-check';
import { makeRecordMaker } from './audit.js';
import type { AuditEntry } from './ports.js';
import { makeRefusals } from './refusals.js';

const clock = makeTestClock();
const makeRecord = makeRecordMaker({ instance: 'spec', clock });
const entry =
  (key: string) =>
  (summed: number): AuditEntry => ({
    record: makeRecord('connection.refused', 'denied', { facts: { key, summed } }),
  });
const standsFor = ({ record }: AuditEntry): number => Math.max(1, Number(record.facts?.summed));

describe('refusals', () => {
  it('account for every refusal, in few records', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(MINUTE)), { maxLength: 200 }),
        async (notes) => {
          const entries: AuditEntry[] = [];
          const refusals = makeRefusals({
            clock,
            record: (made) => Promise.resolve(void entries.push(made)),
            onLost: () => undefined,
          });
          for (const [key, waitMs] of notes) {
            await refusals.note(key, entry(key));
            clock.advance(waitMs / 10);
          }
          await refusals.flush('now');
          expect(entries.map(standsFor).reduce((sum, count) => sum + count, 0)).toBe(notes.length);
        },
      ),
    );
  });

  it('hold a bounded number of counters, whatever keys come', async () => {
    const entries: AuditEntry[] = [];
    const refusals = makeRefusals({
      clock,
      record: (made) => Promise.resolve(void entries.push(made)),
      onLost: () => undefined,
    });
    for (let index = 0; index < 5_000; index += 1) await refusals.note(`key ${index}`, entry('x'));
    expect(entries.length).toBeLessThan(510);
    await refusals.flush('now');
    expect(entries.map(standsFor).reduce((sum, count) => sum + count, 0)).toBe(5_000);
  });

  it('stand when they cannot be recorded, and say so', async () => {
    const lost: unknown[] = [];
    const refusals = makeRefusals({
      clock,
      record: () => Promise.reject(new Error('away')),
      onLost: (error) => lost.push(error),
    });
    await refusals.note('a', entry('a'));
    expect(lost).toHaveLength(1);
  });
});
