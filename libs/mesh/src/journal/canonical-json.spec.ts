import { describe, expect, it } from '@jest/globals';
import { Secret } from '@keymesh/kernel';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { canonicalJson } from './canonical-json.js';

describe('canonical JSON', () => {
  it('is what the general serialiser writes, for all JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'grapheme', maxDepth: 6 }), (value) => {
        expect(canonicalJson(value)).toBe(canonicalize(value));
      }),
    );
  });

  it('escapes exactly what JSON must escape', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(canonicalJson({ [text]: text })).toBe(canonicalize({ [text]: text }));
      }),
    );
    expect(canonicalJson('"\\\u0000\u001f\u007f\u2028é')).toBe('"\\"\\\\\\u0000\\u001f\u007f\u2028é"');
  });

  it('orders names by code units and leaves out what is undefined', () => {
    expect(canonicalJson({ b: 1, a: undefined, é: 2, B: -0, '😀': 3, '\ufb33': 4 })).toBe(
      '{"B":0,"b":1,"é":2,"😀":3,"\ufb33":4}',
    );
  });

  it('is the same however many names an object has, and however many names were written before', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(fc.dictionary(name, fc.integer(), { maxKeys: 200, size: 'max' }), (value) => {
        expect(canonicalJson(value)).toBe(canonicalize(value));
      }),
    );
    for (let round = 0; round < 2; round += 1) {
      for (let at = 0; at < 2_000; at += 1)
        expect(canonicalJson({ [`"${String(at)}`]: at, a: round })).toBe(
          canonicalize({ [`"${String(at)}`]: at, a: round }),
        );
    }
  });

  it.each([
    ['a lone surrogate', 'x\ud800'],
    ['NaN', NaN],
    ['infinity', -Infinity],
    ['undefined in a list', [undefined]],
    ['a function', () => 1],
    ['a big number', 1n],
    ['a date', new Date(0)],
    ['a secret', new Secret(new Uint8Array(1), 'test')],
  ])('refuses %s', (_what, value) => {
    expect(() => canonicalJson({ value })).toThrow(TypeError);
  });

  it('refuses a lone surrogate in a name, each time', () => {
    for (let round = 0; round < 2; round += 1)
      expect(() => canonicalJson({ 'x\udc00': 1 })).toThrow(TypeError);
  });
});
