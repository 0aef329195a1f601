import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { Secret } from '@keymesh/kernel';
import { parseDatabaseUrl, passwordReader } from './database-url.js';

const problemOf = (url: string): string => {
  try {
    parseDatabaseUrl(url);
    return 'none';
  } catch (error) {
    return (error as Error).message;
  }
};

describe('a database URL', () => {
  it('gives host, port, database and user, decoded', () => {
    expect(parseDatabaseUrl('postgres://key%40mesh@[::1]:7432/key%20mesh')).toEqual({
      host: '::1',
      port: 7432,
      database: 'key mesh',
      user: 'key@mesh',
      ssl: false,
    });
    expect(parseDatabaseUrl('postgresql://a@db.example/b').port).toBe(5432);
  });

  it('checks the certificate whenever TLS is asked for, unless told not to', () => {
    expect(parseDatabaseUrl('postgres://a@h/b?sslmode=require').ssl).toEqual({ rejectUnauthorized: true });
    expect(parseDatabaseUrl('postgres://a@h/b?sslmode=no-verify').ssl).toEqual({ rejectUnauthorized: false });
  });

  it.each([
    'not a url',
    'http://a@h/b',
    'postgres://h/b',
    'postgres://a@h',
    'postgres://a:CANARY@h/b',
    'postgres://a:CANARY@h:port/b',
  ])('%s is refused with the rule and without the URL', (url) => {
    expect(problemOf(url)).toMatch(/^The database URL is not valid: it must /);
    expect(problemOf(url)).not.toContain('CANARY');
  });

  it('reads its password from memory, or from the file as it is now', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'keymesh-')), 'password');
    const read = passwordReader({ passwordFile: file });
    writeFileSync(file, 'one\n');
    expect(await read()).toBe('one');
    writeFileSync(file, 'two');
    expect(await read()).toBe('two');
    expect(await passwordReader({ password: Secret.fromText('in memory', 'x') })()).toBe('in memory');
  });
});
