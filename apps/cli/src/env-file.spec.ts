import { describe, expect, it } from '@jest/globals';
import { parseEnv } from '@keymesh/client/transfer';
import { KeymeshError, utf8 } from '@keymesh/kernel';
import fc from 'fast-check';
import { envFile, variableOf } from './env-file.js';

describe('an environment file', () => {
  const readBack = (text: string) =>
    parseEnv(utf8(text), { type: 'generic' }).entries.map(({ item }) => [
      item.name,
      Buffer.from(item.values?.value?.expose() ?? []).toString(),
    ]);

  it('reads back exactly as it was written, or is refused', () => {
    const value = fc.oneof(
      fc.string({ minLength: 1 }),
      fc.string({ unit: 'binary', minLength: 1 }),
      fc.constantFrom(
        "it's",
        '`',
        `'"`,
        'a # b',
        '$HOME ${X}',
        'two\nlines',
        'ends in \\',
        '\\n',
        'cr\r',
        ' x ',
      ),
    );
    let [written, refused] = [0, 0];
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 5 }), (values) => {
        const entries = values.map((text, at) => ({ variable: `V${String(at)}`, value: utf8(text) }));
        let file: string;
        try {
          file = envFile(entries);
        } catch (error) {
          expect(KeymeshError.is(error) && error.code).toBe('USAGE');
          refused += 1;
          return;
        }
        written += 1;
        expect(readBack(file)).toEqual(
          // A lone surrogate is no text: UTF-8 has a replacement character for it.
          values.map((text, at) => [`v${String(at)}`, Buffer.from(utf8(text)).toString()]),
        );
      }),
      { numRuns: 500 },
    );
    expect(Math.min(written, refused)).toBeGreaterThan(10);
  });

  it('is refused for bytes that are no text, and for two values under one name', () => {
    const refusal = expect.objectContaining({ code: 'USAGE' });
    expect(() => envFile([{ variable: 'A', value: new Uint8Array([0xff]) }])).toThrow(refusal);
    const twice = { variable: 'A', value: utf8('x') };
    expect(() => envFile([twice, twice])).toThrow(refusal);
  });

  it.each([
    ['billing/stripe-key', 'STRIPE_KEY'],
    ['stripe.key', 'STRIPE_KEY'],
    ['a/2fa', '_2FA'],
  ])('calls %s %s', (name, variable) => {
    expect(variableOf(name)).toBe(variable);
  });
});
