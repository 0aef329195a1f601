import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TypeDescription } from '@keymesh/contracts';
import { expectCode } from '@keymesh/testing';
import { readParts, type PartOptions } from './part-input.js';

const part = (name: string, secret: boolean, more: Partial<TypeDescription['parts'][number]> = {}) => ({
  ...{ name, secret, summary: `the ${name}`, required: true, maxBytes: 1_024, format: 'text' as const },
  ...more,
});
const TYPE: TypeDescription = {
  type: 'oauth_client',
  summary: '',
  parts: [
    part('client_id', false),
    part('client_secret', true),
    part('extra', true, { required: false, format: 'bytes' }),
  ],
  primaryPart: 'client_secret',
  generates: ['client_secret'],
  rotationAdapters: [],
  readsExpiry: false,
  compressed: false,
};

describe('the parts of a value on the command line', () => {
  let folder: string;
  const secret = randomBytes(12).toString('hex');
  const read = (options: PartOptions, ...type: readonly [(TypeDescription | undefined)?]) =>
    readParts('a', type.length === 0 ? TYPE : type[0], options);
  const texts = async (...asked: Parameters<typeof read>) =>
    Object.fromEntries(
      Object.entries((await read(...asked)).values).map(([name, value]) => [
        name,
        Buffer.from(value.expose()).toString('latin1'),
      ]),
    );
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keymesh-parts-'));
    await writeFile(join(folder, 'secret'), `${secret}\n`);
    await writeFile(join(folder, 'bytes'), Buffer.from([0, 255, 10]));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  const file = (name: string, path = 'secret') => `${name}=${join(folder, path)}`;

  it('come from arguments where they are no secret, and from files', async () => {
    const options = { part: ['client_id=a=b'], partFile: [file('client_secret')] };
    expect(await texts(options)).toEqual({ client_id: 'a=b', client_secret: secret });
    expect(await texts({ part: ['client_id=x'], valueFile: join(folder, 'secret') })).toMatchObject({
      client_secret: secret,
    });
  });

  it('keep every byte where any bytes may stand, and lose the last line end where not', async () => {
    const options = { part: ['client_id=x'], partFile: [file('client_secret'), file('extra', 'bytes')] };
    expect(await texts(options)).toMatchObject({ extra: '\x00\xff\n' });
  });

  it('are not asked for where the vault makes them', async () => {
    expect(await texts({ part: ['client_id=x'], generate: true })).toEqual({ client_id: 'x' });
  });

  it('are wiped when they are done with', async () => {
    const parts = await read({ part: ['client_id=x'], generate: true });
    const bytes = parts.values.client_id!.expose();
    parts[Symbol.dispose]();
    expect([...bytes]).toEqual([0]);
  });

  it.each([
    ['a secret among the arguments', { part: [`client_secret=${secret}`] }, /--part-file client_secret=PATH/],
    ['a part that the type does not have', { part: ['foo=x'] }, /It has client_id, client_secret, extra/],
    ['a file of such a part', { partFile: ['foo=x'] }, /no such part/],
    ['no name', { part: ['=x'] }, /--part takes name=value/],
    ['two from standard input', { partFile: ['client_secret=-', 'extra=-'] }, /Only one part/],
    ['a file that is not there', { partFile: ['client_secret=/nowhere/at/all'] }, /cannot be read/],
    [
      'a part that is missing',
      { generate: true },
      /client_id \(the client_id\) is missing: give --part client_id=TEXT/,
    ],
  ])('refuse %s, and repeat nothing', async (_what, options: PartOptions, sentence) => {
    const error = await expectCode(read(options), 'USAGE');
    expect(error.publicMessage).toMatch(sentence);
    expect(error.publicMessage).not.toContain(secret);
  });

  it('are one, of any bytes, where the type is not known here', async () => {
    expect(await texts({ valueFile: join(folder, 'bytes') }, undefined)).toEqual({ value: '\x00\xff\n' });
  });
});
