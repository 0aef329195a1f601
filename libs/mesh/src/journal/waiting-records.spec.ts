import { describe, expect, it } from '@jest/globals';
import { eventually, makeTestClock } from '@keymesh/testing';
import { packedSizeBytes } from './pack.js';
import { makeWaitingRecords, type WaitingRecord } from './waiting-records.js';

const clock = makeTestClock();

function waiting(sizeBytes: number, deadlineAt = Number.MAX_SAFE_INTEGER) {
  const rejected: unknown[] = [];
  const record: WaitingRecord = {
    leaf: new Uint8Array(sizeBytes),
    beside: new Uint8Array(),
    deadlineAt,
    resolve: () => undefined,
    reject: (error) => void rejected.push(error),
  };
  return { record, rejected };
}
const queueOf = (maxRecords: number, maxBytes: number, inFlight: () => WaitingRecord[] = () => []) =>
  makeWaitingRecords({ maxRecords, maxBytes }, clock, inFlight);

describe('records that wait for the journal', () => {
  it('are taken in order, within the bounds of a pack, but always at least one', () => {
    const queue = queueOf(10, 10_000);
    const records = [100, 100, 3_000, 100].map((size) => waiting(size).record);
    for (const record of records) queue.add(record);
    expect(queue.take(2, 10_000)).toEqual(records.slice(0, 2));
    expect(queue.take(10, 1_000)).toEqual(records.slice(2, 3));
    expect(queue.take(10, 1_000)).toEqual(records.slice(3));
    expect(queue.take(10, 1_000)).toEqual([]);
  });

  it('are bounded in number and in bytes, and room comes back', () => {
    const { record } = waiting(100);
    const byNumber = queueOf(1, 10_000);
    expect([byNumber.add(record), byNumber.add(record)]).toEqual([true, false]);
    byNumber.take(1, 10_000);
    expect(byNumber.add(record)).toBe(true);
    const byBytes = queueOf(10, packedSizeBytes(record));
    expect([byBytes.add(record), byBytes.add(record)]).toEqual([true, false]);
    byBytes.refuseAll('refused');
    expect(byBytes.add(record)).toBe(true);
  });

  it('are refused once their deadline is over, waiting or on their way; others stay', async () => {
    const flying = waiting(1, clock.monotonic() + 10);
    const late = waiting(1, clock.monotonic() + 10);
    const patient = waiting(1);
    const queue = queueOf(10, 10_000, () => (flying.rejected.length === 0 ? [flying.record] : []));
    queue.add(late.record);
    queue.add(patient.record);
    clock.advance(11);
    const refusal = expect.objectContaining({ code: 'AUDIT_UNAVAILABLE' }) as unknown;
    await eventually(() => expect([late.rejected, flying.rejected]).toEqual([[refusal], [refusal]]));
    expect(patient.rejected).toEqual([]);
    expect(queue.take(10, 10_000)).toEqual([patient.record]);
  });
});
