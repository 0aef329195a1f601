import { spawn } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { endProcess, identifyProcess, isSameProcess, parseProcStat } from './process-identity.js';

describe('the identity of a process', () => {
  it('is found behind any command name, even one with spaces and parentheses', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 15 }), fc.nat(), (command, ticks) => {
        const rest = ['R', ...Array.from({ length: 18 }, () => '0'), String(ticks), '0', '0'].join(' ');
        expect(parseProcStat(`42 (${command}) ${rest}`)).toEqual({ state: 'R', startTicks: String(ticks) });
      }),
    );
  });

  it('is the same for the same process and not for another, or one that ended', async () => {
    const first = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    const identity = identifyProcess(first.pid!)!;
    expect(isSameProcess(identity)).toBe(true);
    expect(isSameProcess({ ...identity, startedAt: 'earlier' })).toBe(false);
    expect(isSameProcess({ ...identity, pid: process.pid })).toBe(false);
    expect(await endProcess(identity, [['SIGKILL', 5_000]])).toBe(true);
    expect(isSameProcess(identity)).toBe(false);
    expect(identifyProcess(identity.pid)).toBeUndefined();
  });

  it('protects a process that only shares the pid', async () => {
    const impostor = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    const identity = identifyProcess(impostor.pid!)!;
    expect(await endProcess({ ...identity, startedAt: 'earlier' }, [['SIGKILL', 100]])).toBe(true);
    expect(isSameProcess(identity)).toBe(true);
    await endProcess(identity, [['SIGKILL', 5_000]]);
  });

  it('goes on to the next signal when one does not end it', async () => {
    const stubborn = spawn(process.execPath, [
      '-e',
      'process.on("SIGTERM", () => {}); console.log(1); setInterval(() => {}, 1000)',
    ]);
    await new Promise((resolve) => stubborn.stdout.once('data', resolve));
    const identity = identifyProcess(stubborn.pid!)!;
    expect(
      await endProcess(identity, [
        ['SIGTERM', 100],
        ['SIGKILL', 5_000],
      ]),
    ).toBe(true);
  });
});
