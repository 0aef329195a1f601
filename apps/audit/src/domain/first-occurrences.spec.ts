import { describe, expect, it } from '@jest/globals';
import { makeSigningKey } from '@keymesh/kernel';
import { makeProducer, makeRecord } from '../../test/records.js';
import { assessPacks, type JournaledLeaf } from './assess-packs.js';
import { divideFirstOccurrences } from './first-occurrences.js';

const { key } = makeSigningKey();
const leavesOf = (...records: ReturnType<typeof makeRecord>[]): readonly JournaledLeaf[] =>
  assessPacks([makeProducer('vault', { key }).next(records)], {
    chainOf: () => undefined,
    keysOf: () => [key.publicKey],
  }).leaves;
const ids = (leaves: readonly JournaledLeaf[]): string[] => leaves.map(({ facts }) => facts.eventId);

describe('divideFirstOccurrences', () => {
  it('counts the first of an event id, within a batch and beyond it', () => {
    const [a, b, c] = [makeRecord(), makeRecord(), makeRecord()];
    const known = new Map(leavesOf(a).map(({ facts, leafHash }) => [facts.eventId, leafHash]));
    const { firsts, repeats, incidents } = divideFirstOccurrences(leavesOf(a, b, b, c, b), known);
    expect(ids(firsts)).toEqual([b.id, c.id]);
    expect(repeats.map(({ eventId }) => eventId)).toEqual([a.id, b.id, b.id]);
    expect(incidents).toEqual([]);
  });

  it('tells an event id that is used for something else, which would keep a record out of the log', () => {
    const first = makeRecord();
    const other = { ...first, outcome: 'denied' as const };
    const { firsts, incidents } = divideFirstOccurrences(leavesOf(first, other), new Map());
    expect(ids(firsts)).toEqual([first.id]);
    expect(incidents.map(({ kind }) => kind)).toEqual(['repeated-event-differs']);
  });
});
