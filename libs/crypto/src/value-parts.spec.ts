import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { everyBitFlipped, everyOtherLength, hex, refusal, secretOf, shown } from '../test/support.js';
import { decodeParts, encodeParts } from './index.js';

const decode = (bytes: Uint8Array) => refusal(() => decodeParts(secretOf(bytes)));

describe('the parts of a value', () => {
  test('come back as they were, by name', () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9_]{0,31}$/);
    const parts = fc.dictionary(name, fc.uint8Array({ maxLength: 300 }), { minKeys: 1, maxKeys: 12 });
    fc.assert(
      fc.property(parts, (values) => {
        const encoded = encodeParts(
          Object.fromEntries(Object.entries(values).map(([key, bytes]) => [key, secretOf(bytes)])),
        );
        const decoded = decodeParts(encoded);
        expect(Object.keys(decoded)).toEqual(Object.keys(values).sort());
        for (const [key, bytes] of Object.entries(values))
          expect(shown(decoded[key]!)).toBe(Buffer.from(bytes).toString('hex'));
      }),
    );
  });

  test('are written in one form: ordered by name', () => {
    const one = encodeParts({ username: secretOf('u'), password: secretOf('pw') });
    const two = encodeParts({ password: secretOf('pw'), username: secretOf('u') });
    expect(shown(one)).toBe(shown(two));
    expect(shown(one)).toBe(
      `0208${Buffer.from('password').toString('hex')}00000002707708${Buffer.from('username').toString('hex')}0000000175`,
    );
  });

  test('are refused without a part, with too many, or with another name', () => {
    expect(refusal(() => encodeParts({}))).toBe('DECRYPTION_FAILED');
    const many = Object.fromEntries(Array.from({ length: 256 }, (_, at) => [`p${at}`, secretOf('x')]));
    expect(refusal(() => encodeParts(many))).toBe('DECRYPTION_FAILED');
    for (const name of ['', 'A', '1a', 'ä', 'a'.repeat(33), 'a b', '__proto__'])
      expect(refusal(() => encodeParts(Object.fromEntries([[name, secretOf('x')]])))).toBe(
        'DECRYPTION_FAILED',
      );
  });

  test('are refused cut, lengthened, or as anything else than was written', () => {
    const encoded = hex(shown(encodeParts({ a: secretOf('xyz'), b: secretOf('') })));
    for (const bytes of everyOtherLength(encoded)) expect(decode(bytes)).toBe('DECRYPTION_FAILED');
    for (const bytes of everyBitFlipped(encoded)) {
      // A flipped bit of a value or name may give another plaintext (the cipher stops that), but never a plaintext in two forms.
      if (decode(bytes) === undefined)
        expect(shown(encodeParts(decodeParts(secretOf(bytes))))).toBe(Buffer.from(bytes).toString('hex'));
    }
  });

  test.each([
    ['no part', '00'],
    ['a name twice', `02 01 61 00000000 01 61 00000000`],
    ['names out of order', `02 01 62 00000000 01 61 00000000`],
    ['an empty name', '01 00 00000000'],
    ['a name in capitals', '01 01 41 00000000'],
    ['a name that is not UTF-8', '01 01 ff 00000000'],
    ['a size beyond the end', '01 01 61 ffffffff 00'],
    ['a name beyond the end', '01 ff 61'],
    ['bytes after the last part', '01 01 61 00000000 00'],
    ['nothing at all', ''],
  ])('are refused with %s', (_, bytes) => expect(decode(hex(bytes))).toBe('DECRYPTION_FAILED'));
});
