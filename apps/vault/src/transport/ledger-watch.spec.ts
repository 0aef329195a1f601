import { beforeEach, describe, expect, it } from '@jest/globals';
import { failure } from '@keymesh/contracts';
import { HOUR, MINUTE, SECOND } from '@keymesh/kernel';
import { eventually, expectCode, makeTestClock, type TestClock } from '@keymesh/testing';
import { API_KEY, callBy, makeTestVault, text, textOf } from '../../test/fakes.js';
import { makeLedgerLag, type LedgerLag } from '../domain/ledger-lag.js';
import { makeLedgerWatch, makeReadUnledgeredAge, type LedgerWatch } from './ledger-watch.js';
import { whileLedgered } from './operations.js';

const LIMIT_MS = HOUR;

describe('the watch over the ledger', () => {
  let clock: TestClock;
  let lag: LedgerLag;
  let watch: LedgerWatch;
  let readAge: () => Promise<number>;
  let logged: string[];
  const log = (level: string) => (_fields: unknown, message: string) =>
    void logged.push(`${level}: ${message}`);
  const away = () => Promise.reject(failure('UNAVAILABLE'));
  const makeWatch = (maxUnledgeredMs = LIMIT_MS) => {
    const logger = { info: log('info'), warn: log('warn'), error: log('error') } as never;
    return makeLedgerWatch({ lag, maxUnledgeredMs, readAge: () => readAge(), clock, logger });
  };

  beforeEach(() => {
    clock = makeTestClock();
    lag = makeLedgerLag({ clock, maxUnledgeredMs: LIMIT_MS });
    logged = [];
    readAge = () => Promise.resolve(0);
    watch = makeWatch();
  });

  it('lets reveals go on through an outage shorter than the limit, stops them after, and resumes', async () => {
    readAge = () => Promise.resolve(20 * MINUTE);
    await watch.measure();
    readAge = away;
    clock.advance(40 * MINUTE);
    await watch.measure();
    expect(lag.isInTime()).toBe(true);
    clock.advance(1);
    await watch.measure();
    await watch.measure();
    expect(lag.isInTime()).toBe(false);
    readAge = () => Promise.resolve(0);
    await watch.measure();
    expect(lag.isInTime()).toBe(true);
    expect(logged).toEqual([
      'warn: the lag of the ledger is not known',
      'error: records do not reach the ledger in time: no value is revealed',
      'info: records reach the ledger again: values are revealed',
    ]);
  });

  it('counts the time that the answer took', async () => {
    readAge = () => {
      clock.advance(5 * SECOND);
      return Promise.resolve(MINUTE);
    };
    await watch.measure();
    expect(lag.ageMs()).toBe(MINUTE + 5 * SECOND);
  });

  it('measures by itself from the start on, and not after the stop', async () => {
    let asked = 0;
    readAge = () => Promise.resolve((asked += 1));
    watch = makeWatch(30);
    await watch.start();
    expect(asked).toBe(1);
    await eventually(() => expect(asked).toBeGreaterThan(3));
    watch.stop();
    const before = asked;
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(asked).toBe(before);
  });

  it('is what an operation that reveals looks at, and nobody is told more than that', async () => {
    const vault = makeTestVault();
    const retrieve = whileLedgered(lag)(vault.operations.retrieveCredential);
    await vault.operations.storeCredential(
      { name: 'stripe', type: 'api_key', values: { value: text(API_KEY) } },
      callBy('writer'),
    );
    vault.journaled.length = 0;
    for (const principal of ['reader', 'nobody'])
      for (const name of ['stripe', 'absent'])
        await expectCode(retrieve({ name }, callBy(principal)), 'AUDIT_UNAVAILABLE');
    expect(vault.opened).toEqual([]);
    expect(vault.journaled).toEqual([]);
    await watch.measure();
    expect(textOf((await retrieve({ name: 'stripe' }, callBy('reader'))).values.value)).toBe(API_KEY);
  });
});

describe('the age of the oldest message that waits for the ledger', () => {
  const floor = { ack_floor: { stream_seq: 41 }, ts: '2026-11-22T12:00:00.123456789Z' };
  const readFrom = (...replies: readonly object[]) => {
    const asked: [string, unknown][] = [];
    const request = (subject: string, body: string) => {
      const reply = replies[asked.length];
      asked.push([subject, JSON.parse(body)]);
      return reply === undefined
        ? Promise.reject(new Error('timeout'))
        : Promise.resolve({ json: () => reply });
    };
    return { asked, read: makeReadUnledgeredAge({ nats: { request } as never }) };
  };

  it('is that of the first one after what the ledger has acknowledged, by the clock of the broker', async () => {
    const { read, asked } = readFrom(floor, { message: { seq: 50, time: '2026-11-22T11:59:58.123Z' } });
    expect(await read()).toBe(2_000);
    expect(asked).toEqual([
      ['$JS.API.CONSUMER.INFO.JOURNAL.ledger', {}],
      ['$JS.API.STREAM.MSG.GET.JOURNAL', { seq: 42, next_by_subj: 'keymesh.v1.journal.*' }],
    ]);
  });

  it('is 0 without one, or for one that was stored meanwhile', async () => {
    expect(await readFrom(floor, { error: { err_code: 10_037 } }).read()).toBe(0);
    expect(await readFrom(floor, { message: { time: '2026-11-22T12:00:01Z' } }).read()).toBe(0);
  });

  it.each([
    ['nobody answers', []],
    ['there is no such consumer', [{ error: { err_code: 10_014 } }]],
    ['the message cannot be had', [floor, { error: { err_code: 10_059 } }]],
    ['the message has no time', [floor, { message: { time: 'then' } }]],
  ])('is not known when %s', async (_why, replies) => {
    await expectCode(readFrom(...replies).read(), 'UNAVAILABLE');
  });
});
