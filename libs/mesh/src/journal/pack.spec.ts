import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { makeSigningKey, Secret, signingKeyOf, toHex, utf8 } from '@keymesh/kernel';
import fc from 'fast-check';
import { judgePack } from './chain.js';
import { encodeBeside, encodeLeaf } from './leaf.js';
import {
  decodePack,
  encodePack,
  NO_PREVIOUS,
  packHash,
  verifyPack,
  type PackedRecord,
  type PackHeader,
} from './pack.js';

const { key } = makeSigningKey();
const header = (fields: Partial<PackHeader> = {}) => ({
  producer: 'vault' as const,
  instance: 'vault-1',
  sequence: 1,
  previous: NO_PREVIOUS,
  createdAt: '2026-11-22T12:00:00.000Z',
  ...fields,
});
const record = (leaf: string, beside?: Record<string, string>): PackedRecord => ({
  leaf: utf8(leaf),
  beside: encodeBeside(beside),
});
const isMalformed = expect.objectContaining({ code: 'MALFORMED_MESSAGE' }) as unknown as Error;

describe('a journal pack', () => {
  it('brings back every byte of every leaf, and what stands beside it', () => {
    const recordArbitrary = fc.record({
      leaf: fc.uint8Array({ minLength: 1, maxLength: 300 }),
      beside: fc.option(fc.dictionary(fc.string({ minLength: 1 }), fc.string(), { minKeys: 1, maxKeys: 3 }), {
        nil: undefined,
      }),
    });
    fc.assert(
      fc.property(fc.array(recordArbitrary, { maxLength: 20 }), (records) => {
        // A dictionary may have a key that canonical JSON cannot carry: lone surrogates.
        fc.pre(
          records.every(
            ({ beside }) =>
              JSON.stringify(beside ?? {}).isWellFormed() && !JSON.stringify(beside ?? {}).includes('\\ud'),
          ),
        );
        const pack = encodePack(
          header(),
          records.map(({ leaf, beside }) => ({ leaf, beside: encodeBeside(beside) })),
          key,
        );
        const decoded = decodePack(pack);
        expect(decoded.header).toEqual({ ...header(), count: records.length });
        expect(decoded.records.map(({ leaf }) => toHex(leaf))).toEqual(
          records.map(({ leaf }) => toHex(leaf)),
        );
        expect(decoded.records.map(({ beside }) => beside)).toEqual(
          records.map(({ beside }) => (beside === undefined ? undefined : { ...beside })),
        );
        expect(decoded.hash).toBe(packHash(pack));
        expect(verifyPack(pack, key.publicKeyText)).toBe(true);
      }),
    );
  });

  it('carries the longest leaf', () => {
    const longest = new Uint8Array(65_535).fill(97);
    const pack = encodePack(header(), [{ leaf: longest, beside: new Uint8Array() }], key);
    expect(decodePack(pack).records[0]?.leaf).toEqual(longest);
  });

  it('with a changed bit is not signed, whatever bit', () => {
    const pack = encodePack(header(), [record('{"a":1}', { name: 'x' })], key);
    for (let index = 0; index < pack.length; index += 1) {
      const changed = pack.slice();
      changed[index] = (changed[index] ?? 0) ^ 1;
      expect(verifyPack(changed, key.publicKeyText)).toBe(false);
    }
  });

  it('is not signed by another key, and never verifies when it is too short', () => {
    const pack = encodePack(header(), [], key);
    expect(verifyPack(pack, makeSigningKey().key.publicKeyText)).toBe(false);
    expect(verifyPack(pack.subarray(0, 64), key.publicKeyText)).toBe(false);
    expect(verifyPack(pack, 'no key')).toBe(false);
  });

  it('is malformed at every truncation, and with anything after it', () => {
    const pack = encodePack(header(), [record('{"a":1}'), record('{"b":2}', { name: 'x' })], key);
    for (let length = 0; length < pack.length; length += 1) {
      expect(() => decodePack(pack.subarray(0, length))).toThrow(isMalformed);
    }
    expect(() => decodePack(Uint8Array.from([...pack, 0]))).toThrow(isMalformed);
  });

  it('never makes the decoder do anything but say MALFORMED_MESSAGE', () => {
    const good = encodePack(header(), [record('{"a":1}', { name: 'x' })], key);
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (index, value) => {
        const changed = good.slice();
        changed[index] = value;
        try {
          decodePack(changed);
        } catch (error) {
          expect(error).toMatchObject({ code: 'MALFORMED_MESSAGE' });
        }
      }),
    );
  });

  it('has one form: a header with other whitespace is malformed', () => {
    const pack = encodePack(header(), [], key);
    const text = Buffer.from(pack).toString('latin1');
    const spaced = Buffer.from(text.replace('{"count":0', '{ "count":0'), 'latin1');
    spaced.writeUInt16BE(pack.length - 4 - 2 - 64 + 1, 4);
    expect(() => decodePack(spaced)).toThrow(isMalformed);
  });

  it('keeps its frozen form', () => {
    const golden = JSON.parse(
      readFileSync(new URL('../../test/golden/journal-pack-v1.json', import.meta.url), 'utf8'),
    ) as {
      seed: string;
      publicKey: string;
      leaves: string[];
      besides: (Record<string, string> | null)[];
      packs: string[];
      hashes: string[];
    };
    const signingKey = signingKeyOf(new Secret(new Uint8Array(Buffer.from(golden.seed, 'hex')), 'golden'));
    const [leaf = ''] = golden.leaves;
    const records = golden.leaves.map((text, index) => record(text, golden.besides[index] ?? undefined));
    const first = encodePack(header(), records, signingKey);
    const last = encodePack(header({ sequence: 2, previous: packHash(first), final: true }), [], signingKey);
    expect([first, last].map(toHex)).toEqual(golden.packs);
    expect([first, last].map(packHash)).toEqual(golden.hashes);
    expect(signingKey.publicKeyText).toBe(golden.publicKey);
    const decoded = decodePack(new Uint8Array(Buffer.from(golden.packs[0] ?? '', 'hex')));
    expect(Buffer.from(decoded.records[0]?.leaf ?? []).toString()).toBe(leaf);
  });
});

describe('a leaf', () => {
  const record = {
    v: 1 as const,
    id: '01979a4e-0000-7000-8000-000000000000',
    time: '2026-11-22T12:00:00.000Z',
    type: 'credential.retrieved',
    service: 'vault' as const,
    instance: 'vault-1',
    outcome: 'success' as const,
  };

  it('is canonical: keys in order, whatever order they were written in', () => {
    const reversed = Object.fromEntries(Object.entries(record).reverse()) as typeof record;
    expect(encodeLeaf(reversed)).toEqual(encodeLeaf(record));
    expect(Buffer.from(encodeLeaf(record)).toString()).toMatch(/^\{"id":.*"v":1\}$/);
  });

  it('longer than 65,535 bytes is refused as a fault of ours', () => {
    expect(() => encodeLeaf({ ...record, facts: { text: 'x'.repeat(65_535) } })).toThrow(
      expect.objectContaining({ code: 'INTERNAL' }),
    );
  });
});

describe('the chain of an instance', () => {
  const chain = (...headers: Partial<PackHeader>[]) =>
    headers.map((fields) => decodePack(encodePack(header(fields), [], key)));

  it('begins with 64 zeros and goes on by the hash of the pack before', () => {
    const [first] = chain({});
    expect(judgePack(undefined, first!)).toBe('next');
    const last = { sequence: 1, hash: first!.hash };
    expect(judgePack(last, chain({ sequence: 2, previous: first!.hash })[0]!)).toBe('next');
    expect(judgePack(last, first!)).toBe('repeat');
  });

  it('shows a missing pack, another history, and a second beginning', () => {
    const [first, other] = chain({}, { createdAt: '2026-11-22T12:00:01.000Z' });
    const last = { sequence: 1, hash: first!.hash };
    expect(judgePack(last, chain({ sequence: 3, previous: first!.hash })[0]!)).toBe('gap');
    expect(judgePack(last, chain({ sequence: 2, previous: NO_PREVIOUS })[0]!)).toBe('fork');
    expect(judgePack(last, other!)).toBe('fork');
    expect(judgePack({ sequence: 5, hash: first!.hash }, first!)).toBe('fork');
    expect(judgePack(undefined, chain({ sequence: 2, previous: first!.hash })[0]!)).toBe('gap');
    expect(judgePack(undefined, chain({ previous: first!.hash })[0]!)).toBe('fork');
  });
});
