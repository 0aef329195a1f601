import { createHmac, randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MINUTE, SECOND } from '@keymesh/kernel';
import type { MeshConnection } from '@keymesh/mesh';
import { eventually, makeTestClock, type TestClock } from '@keymesh/testing';
import { makeInstanceSync, type InstanceSync } from './instance-sync.js';

const CHANGE = { nameTag: 'tag', credentialId: 'id' };
const key = randomBytes(32);
const seal = { messageMac: (bytes: Uint8Array) => createHmac('sha256', key).update(bytes).digest() };

type Callback = (error: null, message: { data: Uint8Array }) => void;

/** A bus between instances of this spec. Who is muted sends nothing and hears nothing. */
function makeBus() {
  const members = new Map<string, Callback>();
  const muted = new Set<string>();
  const connect = (name: string): MeshConnection =>
    ({
      nats: {
        publish(_subject: string, data: Uint8Array) {
          if (muted.has(name)) return;
          for (const [other, hear] of members) if (!muted.has(other)) hear(null, { data });
        },
        subscribe(_subject: string, { callback }: { callback: Callback }) {
          members.set(name, callback);
          return { unsubscribe: () => members.delete(name) };
        },
        flush: () => Promise.resolve(),
      },
      onReconnect: () => () => undefined,
    }) as unknown as MeshConnection;
  return { connect, muted };
}

describe('instances that tell each other', () => {
  let clock: TestClock;
  let bus: ReturnType<typeof makeBus>;
  const heard: { name: string; withdrawn: boolean }[] = [];
  const running: InstanceSync[] = [];
  const start = async (name: string): Promise<InstanceSync> => {
    const sync = makeInstanceSync({
      ...{ connection: bus.connect(name), instance: name, seal, clock },
      onChanged: (_tag, _id, withdrawn) => void heard.push({ name, withdrawn }),
      onUnknown: () => undefined,
    });
    await sync.start();
    running.push(sync);
    return sync;
  };
  /** Real time: the second that is waited is the clock's of the machine. */
  const timeOf = async (work: () => Promise<unknown>): Promise<number> => {
    const before = performance.now();
    await work();
    return performance.now() - before;
  };

  let first: InstanceSync;
  let second: InstanceSync;
  beforeEach(async () => {
    [clock, bus] = [makeTestClock(), makeBus()];
    heard.length = 0;
    first = await start('first');
    second = await start('second');
    await eventually(() => expect(first.present()).toHaveLength(1));
  });
  afterEach(() => {
    for (const sync of running.splice(0)) sync.stop();
  });

  it('know each other as soon as one of them comes', async () => {
    expect(second.present()).toHaveLength(1);
    const third = await start('third');
    for (const sync of [first, second, third]) expect(sync.present()).toHaveLength(2);
  });

  it('say whether something was taken away, and wait only until all have acknowledged', async () => {
    expect(await timeOf(() => first.tell(CHANGE, true))).toBeLessThan(900);
    await first.tell(CHANGE, false);
    expect(heard).toEqual([
      { name: 'second', withdrawn: true },
      { name: 'second', withdrawn: false },
    ]);
  });

  // Only the broker may keep it from us: it would go on serving for its second.
  it('wait a second for one that has been silent for long, but not for ever', async () => {
    bus.muted.add('second');
    clock.advance(6 * SECOND);
    expect(first.present()).toEqual([]);
    expect(await timeOf(() => first.tell(CHANGE, true))).toBeGreaterThan(900);
    clock.advance(10 * MINUTE);
    expect(await timeOf(() => first.tell(CHANGE, true))).toBeLessThan(900);
  });

  it('do not wait for one that said goodbye', async () => {
    second.stop();
    clock.advance(6 * SECOND);
    expect(await timeOf(() => first.tell(CHANGE, true))).toBeLessThan(900);
  });
});
