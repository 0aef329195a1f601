import { describe, expect, jest, test } from '@jest/globals';
import { KeymeshError, Secret, utf8 } from '@keymesh/kernel';
import fc from 'fast-check';
import { inspect } from 'node:util';
import { decodeFrame, encodeFrame, partsHeader } from './index.js';

const CANARY = 'canary-9f2c';
const secretOf = (bytes: Uint8Array): Secret => new Secret(Uint8Array.from(bytes), 'spec');

/** A message with secrets shown as hex, so that two can be compared. */
function shown(value: unknown): unknown {
  if (value instanceof Secret) return { secret: Buffer.from(value.expose()).toString('hex') };
  if (Array.isArray(value)) return value.map(shown);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shown(item)]));
}

/** What decoding throws; it must be ours and say nothing of the input. `undefined` when it reads. */
function refusal(header: string | undefined, body: Uint8Array | string): string | undefined {
  try {
    decodeFrame(header, typeof body === 'string' ? utf8(body) : body);
    return undefined;
  } catch (error) {
    if (!KeymeshError.is(error)) return `not ours: ${String(error)}`;
    const told = inspect([error.message, error.publicMessage, error.details, error.cause], { depth: null });
    return told.includes(CANARY) ? 'repeats the input' : error.code;
  }
}

const key = fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom('constructor', 'toString', 'a'));
const { message } = fc.letrec<{ message: unknown }>((tie) => ({
  message: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.string({ unit: 'binary' }),
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((number) => !Object.is(number, -0)),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 20 }).map(secretOf),
    fc.array(tie('message'), { maxLength: 4 }),
    fc.dictionary(
      key.filter((name) => name !== '$part' && name !== '__proto__'),
      tie('message'),
      { maxKeys: 4, noNullPrototype: true },
    ),
  ),
}));
const messages = fc.dictionary(
  fc.string({ maxLength: 6 }).filter((name) => name !== '$part' && name !== '__proto__'),
  message,
  { maxKeys: 5, noNullPrototype: true },
);

describe('a message', () => {
  test('comes back from its frame, secrets and all', () => {
    fc.assert(
      fc.property(messages, (value) => {
        const frame = encodeFrame(value);
        expect(shown(decodeFrame(partsHeader(frame), frame.body))).toEqual(shown(value));
      }),
      { numRuns: 300 },
    );
  });

  test('has no byte of a secret in its JSON, and each secret as its own part', () => {
    const frame = encodeFrame({
      name: 'n',
      values: { value: secretOf(utf8(CANARY)), other: secretOf(utf8('x')) },
    });
    const json = Buffer.from(frame.body.slice(0, frame.lengths[0])).toString();
    expect(json).toBe('{"name":"n","values":{"value":{"$part":1},"other":{"$part":2}}}');
    expect(Buffer.from(frame.body.slice(frame.lengths[0])).toString()).toBe(`${CANARY}x`);
    expect(partsHeader(frame)).toBe(`${json.length},${CANARY.length},1`);
  });

  test('decodes into copies, so that the body can be zeroed', () => {
    const frame = encodeFrame({ value: secretOf(utf8(CANARY)) });
    const { value } = decodeFrame(partsHeader(frame), frame.body) as { value: Secret };
    frame.body.fill(0);
    expect(Buffer.from(value.expose()).toString()).toBe(CANARY);
  });

  test('is in memory of its own, which whoever takes it can zero, whatever characters it has', () => {
    const frame = encodeFrame({ name: 'Zürich 😀', value: secretOf(utf8(CANARY)) });
    expect(frame.body.buffer.byteLength).toBe(frame.body.length);
    expect(decodeFrame(partsHeader(frame), frame.body)).toMatchObject({ name: 'Zürich 😀' });
    expect(encodeFrame(undefined)).toEqual({ lengths: [0], body: new Uint8Array() });
  });

  test('without a header is all JSON; nothing at all is an empty request', () => {
    expect(decodeFrame(undefined, utf8('{"a":1}'))).toEqual({ a: 1 });
    expect(decodeFrame('', utf8('{"a":1}'))).toEqual({ a: 1 });
    expect(decodeFrame(undefined, new Uint8Array())).toEqual({});
    expect(decodeFrame('0', new Uint8Array())).toEqual({});
  });

  test('is not written with a field that would read back as a secret', () => {
    const write = (): unknown => encodeFrame({ settings: { $part: 1 }, value: secretOf(utf8('x')) });
    expect(write).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }));
  });

  test('may name its fields as it likes without touching a prototype', () => {
    const read = decodeFrame(undefined, utf8('{"constructor":{"prototype":{"polluted":true}}}'));
    expect(Object.keys(read as object)).toEqual(['constructor']);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

describe('a frame is MALFORMED_MESSAGE, with nothing of it repeated, when', () => {
  const json = `{"a":{"$part":1},"b":"${CANARY}"}`;
  const body = `${json}xyz`;
  const good = `${json.length},3`;

  test('(control) these do read', () => {
    expect(refusal(good, body)).toBeUndefined();
    expect(refusal(undefined, `${'['.repeat(16)}"]]]{{{"${']'.repeat(16)}`)).toBeUndefined();
    expect(refusal(undefined, '{"a":":\\":{","b":[{"c":1},{"c":2}]}')).toBeUndefined();
  });

  test.each([
    'x', '-1', '1e2', '0x10', ' 5', '5 ', '+5', '05', '1.5', ',', '5,', ',5', '5,,3', 'NaN', 'Infinity', '5;3', '99999999999999999999',
    `${json.length}`, `${json.length},2`, `${json.length},4`, `${json.length},3,0`, `${json.length + 3}`, `${json.length},3,`, `0,${json.length},3`,
    `${json.length},-3`, `${json.length}, 3`, `${json.length},3.0`, `${json.length},3e0`, '0,'.repeat(100_000), '1,'.repeat(1_001), CANARY,
  ])('its Keymesh-Parts is %j', (header) => expect(refusal(header, body)).toBe('MALFORMED_MESSAGE')); // prettier-ignore

  test.each([
    ['a part that is not there', '{"a":{"$part":2}}'],
    ['part 0, the JSON itself', '{"a":{"$part":0}}'],
    ['a negative part', '{"a":{"$part":-1}}'],
    ['half a part', '{"a":{"$part":1.5}}'],
    ['a part by text', '{"a":{"$part":"1"}}'],
    ['a part by nothing', '{"a":{"$part":null}}'],
    ['a part and more', `{"a":{"$part":1,"b":"${CANARY}"}}`],
    ['a part twice', '{"a":{"$part":1},"b":{"$part":1}}'],
    ['no part, though there is one', `{"a":"${CANARY}"}`],
  ])('its JSON names %s', (_, text) =>
    expect(refusal(`${text.length},3`, `${text}xyz`)).toBe('MALFORMED_MESSAGE'),
  );

  test.each([
    ['cut', `{"a":"${CANARY}`],
    ['followed by more', `{"a":1}${CANARY}`],
    ['with a comma too many', `{"${CANARY}":1,}`],
    ['with single quotes', `{'${CANARY}':1}`],
    ['with a bare word', `{"a":${CANARY}}`],
    ['with a comment', `{"a":1/*${CANARY}*/}`],
    ['with a raw line break in a text', `{"a":"${CANARY}\n"}`],
    ['a field twice', `{"a":1,"a":"${CANARY}"}`],
    ['a field twice, once escaped', `{"a":1,"\\u0061":"${CANARY}"}`],
    ['a field twice, deep inside', `{"x":[{"y":{"k":1,"k":"${CANARY}"}}]}`],
    ['with a __proto__', `{"__proto__":{"polluted":"${CANARY}"}}`],
    ['with a __proto__ deep inside, escaped', '{"a":[{"\\u005f_proto__":1}]}'],
    ['__proto__ twice', '{"__proto__":1,"__proto__":2}'],
    ['after a byte order mark', '\ufeff{}'],
    ['17 deep', `${'['.repeat(17)}${']'.repeat(17)}`],
    ['17 objects deep', `${'{"a":'.repeat(17)}1${'}'.repeat(17)}`],
    ['deep enough to break a recursive reader', `${'['.repeat(400_000)}${']'.repeat(400_000)}`],
    ['deep and unfinished', '['.repeat(900_000)],
    ['one giant unfinished text', `"${CANARY.repeat(80_000)}`],
    ['one giant number and no more', `[${'9'.repeat(900_000)}`],
  ])('its JSON is %s', (_, text) => expect(refusal(undefined, text)).toBe('MALFORMED_MESSAGE'));

  test.each([
    ['a stray byte', [0x22, 0xff, 0x22]],
    ['an overlong form', [0x22, 0xc0, 0xa2, 0x22]],
    ['a surrogate', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['half a character', [0x22, 0xe2, 0x82, 0x22]],
  ])('its text is not UTF-8: %s', (_, bytes) =>
    expect(refusal(undefined, Uint8Array.from(bytes))).toBe('MALFORMED_MESSAGE'),
  );

  test('anything else is wrong with it: any bytes under any header read or are refused so', () => {
    const header = fc.option(fc.oneof(fc.string({ maxLength: 8 }), fc.array(fc.nat(40)).map(String)), {
      nil: undefined,
    });
    const tokens = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '\\',
      'a',
      '1',
      '$part',
      '"$part":1',
      '{"$part":1}',
      'null',
      ' ',
      '\u0000',
      'ä',
    );
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.array(tokens, { maxLength: 30 }).map((list) => utf8(list.join(''))),
    );
    fc.assert(
      fc.property(header, anything, (parts, bytes) => {
        expect([undefined, 'MALFORMED_MESSAGE']).toContain(refusal(parts, bytes));
      }),
      { numRuns: 3_000 },
    );
  });

  test('a good frame is changed in one byte: it reads or is refused so, and never repeats itself', () => {
    const frame = encodeFrame({ name: CANARY, list: [1, 2, { deep: true }], value: secretOf(utf8(CANARY)) });
    fc.assert(
      fc.property(fc.nat(frame.body.length - 1), fc.nat(255), (at, byte) => {
        const changed = Uint8Array.from(frame.body);
        changed[at] = byte;
        expect([undefined, 'MALFORMED_MESSAGE']).toContain(refusal(partsHeader(frame), changed));
      }),
      { numRuns: 3_000 },
    );
  });
});

test('a frame that is refused leaves no secret behind', () => {
  const disposed = jest.spyOn(Secret.prototype, 'dispose');
  const json = '{"a":{"$part":1},"b":{"$part":2},"c":{"$part":9}}';
  expect(refusal(`${json.length},1,1`, `${json}xy`)).toBe('MALFORMED_MESSAGE');
  expect(disposed).toHaveBeenCalledTimes(2);
  disposed.mockRestore();
});
