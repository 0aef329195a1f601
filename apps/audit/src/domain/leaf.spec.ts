import { describe, expect, it } from '@jest/globals';
import { utf8 } from '@keymesh/kernel';
import { encodeLeaf } from '@keymesh/mesh';
import { makeRecord } from '../../test/records.js';
import { isSampled, readLeaf } from './leaf.js';

const bytesOf = (record: unknown): Uint8Array => utf8(JSON.stringify(record));

describe('readLeaf', () => {
  it('reads what the ledger searches by', () => {
    const record = makeRecord();
    expect(readLeaf(encodeLeaf(record), 'vault')).toEqual({
      eventId: record.id,
      time: record.time,
      type: 'credential.retrieved',
      principal: 'billing',
      resourceId: '018f5b2e-0000-7000-8000-000000000001',
      traceId: '0af7651916cd43dd8448eb211c80319c',
      traceparent: record.traceparent,
    });
  });

  it('takes a record of a newer version, because it is signed evidence', () => {
    expect(readLeaf(bytesOf({ ...makeRecord(), v: 2, newField: { a: 1 } }), 'vault')).toBeDefined();
  });

  it('leaves out of its columns what Postgres would not take, and keeps the leaf', () => {
    const facts = readLeaf(
      bytesOf({ ...makeRecord(), principal: 'a\0b', resource: { id: 'two words' }, traceparent: 'x' }),
      'vault',
    );
    expect(facts).toMatchObject({ principal: null, resourceId: null, traceId: null, traceparent: null });
  });

  it('writes the time in a form that Postgres takes', () => {
    const timeOf = (time: string) => readLeaf(bytesOf({ ...makeRecord(), time }), 'vault')?.time;
    expect(timeOf('2026-02-30T10:00:00Z')).toBe('2026-03-02T10:00:00.000Z');
    expect(timeOf('9999-12-31T23:59:59.999999999Z')).toBe('9999-12-31T23:59:59.999Z');
    expect(timeOf('0000-01-01T00:00:00Z')).toBeUndefined();
  });

  it.each([
    ['no JSON', utf8('{')],
    ['a list', utf8('[]')],
    ['null', utf8('null')],
    ['invalid UTF-8', Uint8Array.of(0x22, 0xff, 0x22)],
    ['a line break', utf8(`${JSON.stringify(makeRecord())}\n`)],
    ['more than 65,535 bytes', bytesOf({ ...makeRecord(), facts: { long: 'x'.repeat(65_536) } })],
    ['another service', bytesOf(makeRecord({ service: 'policy' }))],
    ['an id that is no UUID', bytesOf(makeRecord({ id: '1' }))],
    [
      'an upper-case id, which Postgres would take for the same as the lower-case one',
      bytesOf(makeRecord({ id: '018F5B2E-0000-7000-8000-00000000000A' })),
    ],
    ['a time that does not exist', bytesOf(makeRecord({ time: '2026-13-22T12:00:00Z' }))],
    ['a type without a verb', bytesOf(makeRecord({ type: 'credential' }))],
  ])('is undefined for %s', (_what, leaf) => {
    expect(readLeaf(leaf, 'vault')).toBeUndefined();
  });
});

describe('isSampled', () => {
  it('follows the flag of the trace', () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-';
    expect(isSampled(`${traceparent}01`)).toBe(true);
    expect(isSampled(`${traceparent}03`)).toBe(true);
    expect(isSampled(`${traceparent}00`)).toBe(false);
  });
});
