import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
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

/** Format 2, written without any code of this library. */
const compressed = (plain: Uint8Array, size = plain.length): Uint8Array => {
  const header = Buffer.of(0, 2, 0, 0, 0, 0);
  header.writeUInt32BE(size, 2);
  return Buffer.concat([header, deflateRawSync(plain)]);
};
const partOf = (bytes: Uint8Array): Buffer => {
  const header = Buffer.from('010161' + '00000000', 'hex');
  header.writeUInt32BE(bytes.length, 3);
  return Buffer.concat([header, bytes]);
};

describe('compressed parts of a value', () => {
  const pem = Buffer.from('-----BEGIN CERTIFICATE-----\n'.repeat(40));

  test('come back as they were, and are written only where that is smaller', () => {
    const parts = fc.dictionary(
      fc.stringMatching(/^[a-z][a-z0-9_]{0,31}$/),
      fc.oneof(
        fc.uint8Array({ maxLength: 300 }),
        fc.string({ maxLength: 20 }).map((text) => Buffer.from(text.repeat(30))),
      ),
      { minKeys: 1, maxKeys: 5 },
    );
    fc.assert(
      fc.property(parts, (values) => {
        const secrets = Object.fromEntries(
          Object.entries(values).map(([key, bytes]) => [key, secretOf(bytes)]),
        );
        const encoded = encodeParts(secrets, { compress: true });
        expect(encoded.sizeBytes).toBeLessThanOrEqual(encodeParts(secrets).sizeBytes);
        const decoded = decodeParts(encoded);
        expect(Object.keys(decoded)).toEqual(Object.keys(values).sort());
        for (const [key, bytes] of Object.entries(values))
          expect(shown(decoded[key]!)).toBe(Buffer.from(bytes).toString('hex'));
      }),
    );
  });

  test('are told from others by their first byte, which is no count of parts', () => {
    expect(hex(shown(encodeParts({ a: secretOf(pem) }, { compress: true })))[0]).toBe(0);
    expect(hex(shown(encodeParts({ a: secretOf(pem) })))[0]).toBe(1);
    expect(hex(shown(encodeParts({ a: secretOf('short') }, { compress: true })))[0]).toBe(1);
  });

  test('of 64 KiB come back, and nothing grows beyond what its header says', () => {
    const most = secretOf(new Uint8Array(65_536).fill(7));
    expect(shown(decodeParts(encodeParts({ a: most }, { compress: true })).a!)).toBe(shown(most));
    const plain = partOf(new Uint8Array(60_000));
    expect(decode(compressed(plain))).toBeUndefined();
    expect(decode(compressed(plain, plain.length - 1))).toBe('DECRYPTION_FAILED');
    expect(decode(compressed(plain, plain.length + 1))).toBe('DECRYPTION_FAILED');
    // A bomb: a thousand times 64 KiB in 64 KiB, truly labelled or as less.
    const bomb = partOf(new Uint8Array(64 * 2 ** 20));
    for (const size of [bomb.length, 65_536, 80_000])
      expect(decode(compressed(bomb, size))).toBe('DECRYPTION_FAILED');
  });

  test.each([
    ['nothing compressed', '0002' + '00000100'],
    ['another format', '0003' + '00000100' + '0300'],
    ['only their mark', '0002'],
    [
      'compressed parts in compressed parts',
      Buffer.from(compressed(compressed(partOf(Buffer.alloc(5_000))), 5_007)).toString('hex'),
    ],
    ['bytes after the last block', `${Buffer.from(compressed(partOf(Buffer.alloc(500)))).toString('hex')}00`],
    ['no parts in them', Buffer.from(compressed(new Uint8Array(500))).toString('hex')],
  ])('are refused with %s', (_, bytes) => expect(decode(hex(bytes))).toBe('DECRYPTION_FAILED'));

  test('are refused cut, and never end in another failure', () => {
    const encoded = hex(shown(encodeParts({ a: secretOf(pem) }, { compress: true })));
    for (let size = 0; size < encoded.length; size += 1)
      expect(decode(encoded.subarray(0, size))).toBe('DECRYPTION_FAILED');
    for (const bytes of everyBitFlipped(encoded))
      expect([undefined, 'DECRYPTION_FAILED']).toContain(decode(bytes));
  });

  test('of format 2 open for ever, here and by a second implementation', () => {
    const { parts, plaintext } = JSON.parse(
      readFileSync(new URL('../test/golden/parts-v2.json', import.meta.url), 'utf8'),
    ) as { parts: Record<string, string>; plaintext: string };
    const decoded = decodeParts(secretOf(hex(plaintext)));
    expect(Object.fromEntries(Object.entries(decoded).map(([name, part]) => [name, shown(part)]))).toEqual(
      parts,
    );
    const bytes = Buffer.from(plaintext, 'hex');
    expect(bytes.subarray(0, 2).toString('hex')).toBe('0002');
    const plain = inflateRawSync(bytes.subarray(6));
    expect(plain.length).toBe(bytes.readUInt32BE(2));
    expect(plain.toString('hex')).toBe(shown(encodeParts(decoded)));
  });
});
