import { describe, expect, it } from '@jest/globals';
import { eventually } from '@keymesh/testing';
import { makeKeeper, type Ending, type KeeperOptions, type Running } from './keeper.js';

/** Processes that end when the spec says so. */
const makeProcesses = () => {
  const started: { end: (ending: Ending) => void; stopped: boolean }[] = [];
  const start = (): Promise<Running> => {
    let end: (ending: Ending) => void = () => undefined;
    const ended = new Promise<Ending>((resolve) => (end = resolve));
    const one = { end, stopped: false };
    started.push(one);
    return Promise.resolve({
      pid: 1_000 + started.length,
      ended,
      stop: () => {
        one.stopped = true;
        end({ signal: 'SIGTERM' });
        return Promise.resolve();
      },
    });
  };
  return { started, start };
};

const make = (more: Partial<KeeperOptions> = {}) => {
  const processes = makeProcesses();
  const said: string[] = [];
  const keeper = makeKeeper({
    name: 'vault',
    start: processes.start,
    say: (text) => said.push(text),
    delaysMs: [1, 2, 3],
    ...more,
  });
  return { ...processes, said, keeper };
};

describe('a keeper', () => {
  it('starts a process again when it ends by itself, and says so', async () => {
    const { keeper, started, said } = make();
    await keeper.start();
    expect(keeper).toMatchObject({ state: 'running', pid: 1_001, restarts: 0 });
    started[0]!.end({ signal: 'SIGKILL' });
    await eventually(() => expect(keeper).toMatchObject({ state: 'running', pid: 1_002, restarts: 1 }));
    expect(said).toEqual(['vault was ended by SIGKILL; starting it again in 0.001 s']);
    await keeper.stop();
  });

  it('waits longer each time in a row', async () => {
    const { keeper, started, said } = make();
    await keeper.start();
    for (let at = 0; at < 4; at += 1) {
      await eventually(() => expect(started).toHaveLength(at + 1));
      started[at]!.end({ code: 1 });
    }
    await eventually(() => expect(started).toHaveLength(5));
    expect(said.map((text) => /in (\S+) s/.exec(text)?.[1])).toEqual(['0.001', '0.002', '0.003', '0.003']);
    await keeper.stop();
  });

  it('goes on trying when a start fails', async () => {
    let failures = 2;
    const { start, started } = makeProcesses();
    const { keeper } = make({
      start: () => {
        if (started.length === 1 && failures-- > 0) throw new Error('no port');
        return start();
      },
    });
    await keeper.start();
    started[0]!.end({ code: 1 });
    await eventually(() => expect(keeper).toMatchObject({ state: 'running', restarts: 3 }));
    await keeper.stop();
  });

  it('does not start again what was stopped, also while waiting', async () => {
    const { keeper, started } = make({ delaysMs: [50] });
    await keeper.start();
    started[0]!.end({ code: 1 });
    await eventually(() => expect(keeper.state).toBe('restarting'));
    await keeper.stop();
    expect(keeper.state).toBe('stopped');
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect(started).toHaveLength(1);
  });

  it('ends a process that came up only after the stop', async () => {
    const { start, started } = makeProcesses();
    let letGo: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    const { keeper } = make({ start: () => held.then(start) });
    const starting = keeper.start();
    await keeper.stop();
    letGo();
    await starting;
    expect(started[0]!.stopped).toBe(true);
    expect(keeper.state).toBe('stopped');
  });

  it('gives up after an ending that is final', async () => {
    const { keeper, started, said } = make({ isFinal: ({ code }) => code === 2 });
    await keeper.start();
    started[0]!.end({ code: 2 });
    await eventually(() => expect(keeper.state).toBe('failed'));
    expect(started).toHaveLength(1);
    expect(said[0]).toContain('see its log');
  });

  it('restarts on demand without counting it as a crash', async () => {
    const { keeper, started } = make();
    await keeper.start();
    await keeper.restart();
    expect(started.map(({ stopped }) => stopped)).toEqual([true, false]);
    expect(keeper).toMatchObject({ state: 'running', restarts: 0 });
    await keeper.stop();
  });

  it('tells a failing first start to whoever asked for it', async () => {
    const { keeper } = make({ start: () => Promise.reject(new Error('no')) });
    await expect(keeper.start()).rejects.toThrow('no');
    expect(keeper.state).toBe('stopped');
  });
});
