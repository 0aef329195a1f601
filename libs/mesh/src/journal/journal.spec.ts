import { afterEach, describe, expect, it } from '@jest/globals';
import type { AuditRecord } from '@keymesh/contracts';
import { makeSigningKey, systemClock, utf8 } from '@keymesh/kernel';
import { eventually, expectCode } from '@keymesh/testing';
import { errors } from '@nats-io/nats-core';
import type { MeshConnection } from '../connection.js';
import { judgePack, type ChainLink } from './chain.js';
import { makeJournal, type Journal } from './journal.js';
import { decodePack, type Pack } from './pack.js';

type Answer = 'stored' | 'lost' | 'stored, ack lost' | 'full' | 'broken disk' | 'nobody';

/** A stream that answers each publish as told, `stored` after that. */
function fakeStream(answers: Answer[] = []) {
  const published: { bytes: Uint8Array; id: string }[] = [];
  const stored = new Map<string, Uint8Array>();
  const api = (errorCode: number, description: string) => ({ error: { err_code: errorCode, description } });
  const request = (
    _subject: string,
    bytes: Uint8Array,
    { headers }: { headers: Map<string, string> },
  ): unknown => {
    const id = headers.get('Nats-Msg-Id') ?? '';
    published.push({ bytes, id });
    const answer = answers.shift() ?? 'stored';
    if (answer === 'nobody') return Promise.reject(new errors.NoRespondersError('s'));
    if (answer.startsWith('stored')) stored.set(id, bytes);
    if (answer.endsWith('lost')) return Promise.reject(new errors.TimeoutError());
    const reply = {
      full: api(10_077, 'maximum bytes exceeded'),
      'broken disk': api(10_077, 'input/output error'),
      stored: { seq: stored.size, duplicate: false },
    }[answer as 'full' | 'broken disk' | 'stored'];
    return Promise.resolve({ data: utf8(JSON.stringify(reply)) });
  };
  const connection = {
    nats: { request },
    isConnected: () => true,
    waitConnected: () => Promise.resolve(true),
    onReconnect: () => () => undefined,
  };
  return {
    connection: connection as unknown as MeshConnection,
    published,
    packs: (): Pack[] => [...stored.values()].map((bytes) => decodePack(bytes)),
  };
}

const record = { v: 1, id: 'x' } as unknown as AuditRecord;
let journal: Journal | undefined;
afterEach(() => journal?.close());

const start = (connection: MeshConnection) =>
  (journal = makeJournal({
    connection,
    service: 'vault',
    instance: 'vault-1',
    signingKey: makeSigningKey().key,
    clock: systemClock,
    heartbeatMs: 60_000,
  }));
const soon = () => ({ deadlineAt: performance.now() + 300 });

function problemsOf(packs: readonly Pack[]): string[] {
  let last: ChainLink | undefined;
  return packs.flatMap((pack) => {
    const verdict = judgePack(last, pack);
    last = { sequence: pack.header.sequence, hash: pack.hash };
    return verdict === 'next' ? [] : [verdict];
  });
}

describe('a pack of the journal', () => {
  it('whose acknowledgement was lost is sent again, the same to the byte, and its records are durable', async () => {
    const stream = fakeStream(['stored, ack lost', 'lost']);
    await start(stream.connection).record(record);
    const [first, ...repeats] = stream.published;
    expect(repeats).toHaveLength(2);
    for (const repeat of repeats) expect(repeat).toEqual(first);
  });

  it('that may be stored is sent until that is known, though nobody waits for it any more', async () => {
    const stream = fakeStream([
      'stored, ack lost',
      ...Array.from({ length: 10 }, () => 'broken disk' as const),
    ]);
    const running = start(stream.connection);
    await expectCode(running.record(record, undefined, soon()), 'AUDIT_UNAVAILABLE');
    await eventually(() => expect(stream.published.length).toBeGreaterThanOrEqual(12));
    await running.record(record);
    await running.close();
    expect(problemsOf(stream.packs())).toEqual([]);
    expect(stream.packs().map(({ header }) => header.sequence)).toEqual([1, 2, 3]);
  });

  it('that was refused never was: its sequence is used again, and all who wait are refused at once', async () => {
    const stream = fakeStream(['full']);
    const running = start(stream.connection);
    const startedAt = performance.now();
    const results = await Promise.allSettled(Array.from({ length: 1_200 }, () => running.record(record)));
    expect(results.every(({ status }) => status === 'rejected')).toBe(true);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect(stream.published).toHaveLength(1);
    await running.record(record);
    await running.close();
    expect(stream.packs().map(({ header }) => header.sequence)).toEqual([1, 2]);
    expect(problemsOf(stream.packs())).toEqual([]);
  });

  it('that was refused after it may have been stored keeps its sequence', async () => {
    const stream = fakeStream(['stored, ack lost', 'full', 'full']);
    const running = start(stream.connection);
    await expectCode(running.record(record), 'AUDIT_UNAVAILABLE');
    await eventually(() => running.record(record));
    await running.close();
    expect(problemsOf(stream.packs())).toEqual([]);
    expect(stream.packs().map(({ header }) => header.sequence)).toEqual([1, 2, 3]);
  });

  it('that no stream took is given up once nobody waits for it', async () => {
    const stream = fakeStream(Array.from({ length: 20 }, () => 'nobody' as const));
    const running = start(stream.connection);
    await expectCode(running.record(record, undefined, soon()), 'AUDIT_UNAVAILABLE');
    const given = stream.published.at(-1);
    await eventually(() => running.record(record));
    await running.close();
    expect(problemsOf(stream.packs())).toEqual([]);
    expect(stream.packs()[0]?.header.sequence).toBe(1);
    expect(stream.published.at(-1)).not.toEqual(given);
  });

  it('takes no part that is longer than its length field can say', async () => {
    const running = start(fakeStream().connection);
    await expectCode(running.publishRaw(new Uint8Array(65_536)), 'INTERNAL');
    await expectCode(running.publishRaw(new Uint8Array()), 'INTERNAL');
    await expectCode(running.publishRaw(new Uint8Array(1), new Uint8Array(65_536)), 'INTERNAL');
    await running.publishRaw(new Uint8Array(65_535));
  });
});
