import { describe, expect, test } from '@jest/globals';
import { KeymeshError } from '@keymesh/kernel';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERROR_CATALOGUE, failure, isErrorCode, toPublicError } from './index.js';

const ROOT = join(import.meta.dirname, '../../..');

/** Every source file of libs and apps, specs left out. */
function* sources(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (['node_modules', 'dist', 'out-tsc', 'test', 'golden'].includes(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    else if (/\.(ts|js|mjs)$/.test(entry.name) && !entry.name.endsWith('.spec.ts')) yield path;
  }
}

const THROWN = /\b(?:failure|KeymeshError)\(\s*['"`]([^'"`]+)['"`]/g;

test('every code that libs or apps can throw is in the catalogue', () => {
  const thrown = ['libs', 'apps'].flatMap((room) =>
    [...sources(join(ROOT, room))].flatMap((file) =>
      [...readFileSync(file, 'utf8').matchAll(THROWN)].map(([, code = '']) => ({
        file: file.slice(ROOT.length + 1),
        code,
      })),
    ),
  );
  // The control: codes that are surely thrown were found, in a pure lib, too.
  const found = new Set(thrown.map(({ code }) => code));
  expect([...found]).toEqual(
    expect.arrayContaining(['MALFORMED_MESSAGE', 'CHANNEL_REJECTED', 'DECRYPTION_FAILED']),
  );
  expect(thrown.filter(({ code }) => !isErrorCode(code))).toEqual([]);
});

describe('the catalogue', () => {
  test.each(Object.entries(ERROR_CATALOGUE))(
    '%s is a code with a sentence, a status and an exit code that fit',
    (code, entry) => {
      expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
      expect(entry.message).toMatch(/^[A-Z].*\.$/);
      expect(entry.status).toBeGreaterThanOrEqual(400);
      expect(entry.status).toBeLessThan(600);
      if (entry.exitCode === 5) expect(entry.retryable).toBe(true);
      if (entry.exitCode === 2) expect(entry.retryable).toBe(false);
    },
  );

  test('knows its codes by own name only', () => {
    expect(['toString', 'constructor', '__proto__', '', 'denied'].some(isErrorCode)).toBe(false);
  });
});

describe('what leaves the process of', () => {
  test('a failure is its code, its sentence or the catalogue’s, and whether to try again', () => {
    expect(toPublicError(failure('DENIED'))).toEqual({
      code: 'DENIED',
      message: ERROR_CATALOGUE.DENIED.message,
      retryable: false,
    });
    const told = failure('RATE_LIMITED', { publicMessage: 'Wait.', retryable: false });
    expect(toPublicError(told)).toEqual({ code: 'RATE_LIMITED', message: 'Wait.', retryable: false });
  });

  test.each([
    ['an error of somebody else', new Error('password=hunter2')],
    ['a driver error with a code', Object.assign(new Error('password=hunter2'), { code: 'ECONNREFUSED' })],
    ['a code out of the catalogue', new KeymeshError('NO_SUCH', { publicMessage: 'password=hunter2' })],
    [
      'INTERNAL with a text',
      failure('INTERNAL', { publicMessage: 'password=hunter2', details: { findings: 'hunter2' } }),
    ],
    [
      'a failure’s cause and details',
      failure('DENIED', { cause: new Error('hunter2'), details: { value: 'hunter2' } }),
    ],
    ['a text', 'password=hunter2'],
    ['nothing', undefined],
  ])('%s is no text of it', (_, thrown) => {
    expect(JSON.stringify(toPublicError(thrown))).not.toContain('hunter2');
  });
});
