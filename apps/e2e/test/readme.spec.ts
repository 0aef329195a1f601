import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually } from '@keymesh/testing';
import { REPOSITORY, run, startMesh, type RunningMesh } from './support/running-mesh.js';

// What the README tells people to type is typed here, as written.
const readme = await readFile(join(REPOSITORY, 'README.md'), 'utf8');

/** The fenced block of a language in the section of this heading. */
function block(heading: string, language: string): string {
  const section = readme.split(/^## /m).find((text) => text.startsWith(heading)) ?? '';
  return new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(section)?.[1] ?? '';
}

let mesh: RunningMesh;
const key = `Av-Key1-${randomBytes(16).toString('base64url')}`;
const env = (): NodeJS.ProcessEnv => ({
  KEYMESH_HOME: mesh.home,
  ALPHA_VANTAGE_KEY: key,
  PATH: `${dirname(process.execPath)}:${process.env.PATH ?? ''}`,
});

beforeAll(async () => {
  mesh = await startMesh();
}, 120_000);
afterAll(async () => {
  await mesh[Symbol.asyncDispose]();
}, 60_000);

it('prints what the README says when it is ready', async () => {
  await eventually(() => {
    expect(mesh.output()).toContain('Keymesh is ready');
  });
});

it('its commands run as written, one after another', async () => {
  const commands = block('Use it from the command line', 'sh').trim().split('\n');
  expect(commands.length).toBeGreaterThan(5);
  for (const command of commands) {
    const result = await run('bash', ['-o', 'pipefail', '-c', command], { env: env() });
    expect({ command, code: result.code, stderr: result.code === 0 ? '' : result.stderr }).toEqual({
      command,
      code: 0,
      stderr: '',
    });
    if (command.includes('retrieve alpha-vantage')) expect(result.stdout.toString()).toBe(key);
  }
}, 120_000);

it('its TypeScript runs as written', async () => {
  const file = join(REPOSITORY, 'examples', `readme-${randomBytes(4).toString('hex')}.mjs`);
  const code = block('Use it from TypeScript', 'ts').replace(
    "name: 'alpha-vantage'",
    "name: 'alpha-vantage-2'",
  );
  // What a reader has around the snippet: a value, and functions of their own. `using` needs no transpiler on Node 24.
  const around = `const value = process.env.ALPHA_VANTAGE_KEY;\nconst callProvider = (text) => console.log(text.length);\nconst useFromNowOn = () => undefined;\n`;
  await writeFile(
    file,
    `${code.split('\n').slice(0, 1).join('\n')}\n${around}${code.split('\n').slice(1).join('\n')}\nprocess.exit(0);\n`,
  );
  try {
    const result = await run(process.execPath, [file], { env: env() });
    expect({ code: result.code, stderr: result.stderr }).toEqual({ code: 0, stderr: '' });
    expect(result.stdout.toString()).toContain('alpha-vantage');
  } finally {
    await (await import('node:fs/promises')).rm(file, { force: true });
  }
}, 60_000);
