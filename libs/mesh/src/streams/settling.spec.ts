import { describe, expect, it } from '@jest/globals';
import { makeSettling } from './settling.js';

const isOver = async (over: Promise<void> | undefined): Promise<boolean> =>
  over === undefined ||
  Promise.race([over.then(() => true), new Promise<false>((no) => setImmediate(no, false))]);

describe('settling', () => {
  it('makes nobody wait where nothing has changed', () => {
    expect(makeSettling(60_000).wait()).toBeUndefined();
  });

  it('waits until what has changed was read', async () => {
    const settling = makeSettling(60_000);
    settling.begin();
    const waiting = settling.wait();
    expect(await isOver(waiting)).toBe(false);
    settling.reading()();
    expect(await isOver(waiting)).toBe(true);
    expect(settling.wait()).toBeUndefined();
  });

  it('takes no reading that began before the change', async () => {
    const settling = makeSettling(60_000);
    settling.begin();
    const done = settling.reading();
    settling.begin();
    const waiting = settling.wait();
    done();
    expect(await isOver(waiting)).toBe(false);
    settling.reading()();
    expect(await isOver(waiting)).toBe(true);
  });

  it('lets everybody go after a while, and waits anew for the next change', async () => {
    const settling = makeSettling(20);
    settling.begin();
    await settling.wait();
    expect(settling.wait()).toBeUndefined();
    settling.begin();
    expect(settling.wait()).toBeDefined();
    settling.stop();
    expect(settling.wait()).toBeUndefined();
  });
});
