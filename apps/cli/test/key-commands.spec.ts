import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { makeTestHome } from './support/launched-mesh.js';

const CLI = join(import.meta.dirname, '../bin/keymesh.js');

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

describe('key, vault and fsck commands on a running mesh', () => {
  const mesh = makeTestHome();
  beforeAll(async () => {
    await mesh.launch().ready();
  }, 400_000);
  afterAll(() => mesh.remove(), 60_000);

  const keymesh = (args: readonly string[], input = ''): Promise<Result> =>
    new Promise((resolve) => {
      const child = execFile(
        process.execPath,
        ['--no-warnings', CLI, ...args, '--home', mesh.home],
        { env: { PATH: process.env.PATH, HOME: process.env.HOME } },
        (error, stdout, stderr) =>
          resolve({
            code: typeof error?.code === 'number' ? error.code : error === null ? 0 : 1,
            stdout,
            stderr,
          }),
      );
      child.stdin?.end(input);
    });
  const json = async (args: readonly string[]): Promise<unknown> =>
    JSON.parse((await keymesh([...args, '--json'])).stdout);
  const VALUE = `kEy-${String(Math.random()).slice(2)}!Zq`;

  it('rotates, rewraps and reencrypts, shows it, and destroys what wraps nothing any more', async () => {
    expect(await keymesh(['store', 'pay/one', '--type', 'api_key'], VALUE)).toMatchObject({
      code: 0,
    });
    expect((await keymesh(['key', 'rotate', 'pay'])).stdout).toContain('key version 2');
    expect(await keymesh(['key', 'destroy', 'pay', '1'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('KEY_IN_USE') as unknown,
    });
    expect(await json(['key', 'rewrap', 'pay'])).toMatchObject([{ state: 'completed', done: 1, damaged: 0 }]);
    expect(await json(['key', 'reencrypt', '--credential', 'pay/one'])).toMatchObject([
      { state: 'completed' },
    ]);
    expect(await json(['key', 'rewrap', '--root'])).toMatchObject([
      { kind: 'rewrap-root', state: 'completed' },
    ]);
    expect((await keymesh(['key', 'destroy', 'pay', '1'])).code).toBe(0);
    expect(await json(['key', 'status', 'pay'])).toMatchObject({
      keks: [
        { version: 1, state: 'destroyed', rows: 0 },
        { version: 2, state: 'active', rows: 1 },
      ],
      root: { provider: 'local' },
    });
    expect((await keymesh(['key', 'jobs'])).stdout).toContain('completed');
    expect((await keymesh(['retrieve', 'pay/one'])).stdout.trim()).toBe(VALUE);
  }, 400_000);

  it('says what to do where a command is not used its way', async () => {
    expect(await keymesh(['key', 'reencrypt'])).toMatchObject({ code: 2 });
    expect(await keymesh(['key', 'destroy', 'pay', 'one'])).toMatchObject({ code: 2 });
    expect(await keymesh(['key', 'rotate', 'nowhere'])).toMatchObject({ code: 4 });
  }, 200_000);

  it('locks and unlocks', async () => {
    expect((await keymesh(['vault', 'lock'])).stdout).toContain('The vault is locked.');
    expect(await keymesh(['retrieve', 'pay/one'])).toMatchObject({
      code: 5,
      stderr: expect.stringContaining('VAULT_LOCKED') as unknown,
    });
    expect(await json(['vault', 'status'])).toMatchObject({
      locked: true,
      reason: 'command',
      changedBy: 'operator',
    });
    expect((await keymesh(['vault', 'unlock'])).stdout).toContain('The vault is unlocked.');
    expect((await keymesh(['retrieve', 'pay/one'])).stdout.trim()).toBe(VALUE);
  }, 200_000);

  it('looks for damage', async () => {
    const { code, stdout } = await keymesh(['fsck', 'vault']);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^✓ 1 credentials, 1 versions and \d keys checked\n$/) as unknown,
    });
    expect(await json(['fsck', 'vault'])).toMatchObject({ ok: true, problems: 0 });
  }, 200_000);
});
