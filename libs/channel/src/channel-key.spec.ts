import { beforeAll, describe, expect, test } from '@jest/globals';
import { makeSigningKey, signTextFor, toBase64Url, utf8, type SigningKey } from '@keymesh/kernel';
import { codeOf, HOUR, START } from '../test/rig.js';
import { CLOCK_SKEW_MS, makeChannelKeyPair, readChannelKey, signChannelKey } from './index.js';

describe('a channel key statement', () => {
  let mesh: SigningKey;
  let fields: { service: string; publicKey: string; notBefore: number; notAfter: number };
  let text: string;
  const read = (statement: string, now = START) =>
    readChannelKey(statement, mesh.publicKeyText, 'vault', now);
  /** Signed by the mesh key, but over whatever the spec wants. */
  const signed = (json: string): string =>
    `${toBase64Url(utf8(json))}.${signTextFor('keymesh/v1/channel-key', utf8(json), mesh)}`;
  beforeAll(async () => {
    mesh = makeSigningKey().key;
    const { publicKey } = await makeChannelKeyPair();
    fields = { service: 'vault', publicKey, notBefore: START, notAfter: START + 24 * HOUR };
    text = signChannelKey(fields, mesh);
  });

  test('reads back, with the id of its key', () => {
    expect(read(text)).toEqual({ ...fields, keyId: expect.stringMatching(/^[0-9a-f]{32}$/), text });
  });

  test('is refused with any character changed, missing or added', () => {
    for (let at = 0; at < text.length; at++) {
      const other = text[at] === 'A' ? 'B' : 'A';
      expect(read(text.slice(0, at) + other + text.slice(at + 1))).toBeUndefined();
      expect(read(text.slice(0, at) + text.slice(at + 1))).toBeUndefined();
    }
    for (const longer of [`${text}A`, `${text}=`, `${text}.`, `${text}.${text}`, ` ${text}`])
      expect(read(longer)).toBeUndefined();
    expect(read('A'.repeat(1e6))).toBeUndefined();
  });

  test('is refused by a foreign mesh key, and for another service', () => {
    const foreign = makeSigningKey().key;
    expect(readChannelKey(text, foreign.publicKeyText, 'vault', START)).toBeUndefined();
    expect(read(signChannelKey(fields, foreign))).toBeUndefined();
    expect(readChannelKey(text, mesh.publicKeyText, 'audit', START)).toBeUndefined();
  });

  test('is refused when signed for another purpose', () => {
    const [payload = ''] = text.split('.');
    const bytes = Buffer.from(payload, 'base64url');
    expect(read(`${payload}.${signTextFor('keymesh/v1/statement', bytes, mesh)}`)).toBeUndefined();
  });

  test('holds from a minute before its start (clocks differ) to its end', () => {
    expect(read(text, START - CLOCK_SKEW_MS)).toBeDefined();
    expect(read(text, START - CLOCK_SKEW_MS - 1)).toBeUndefined();
    expect(read(text, START + 24 * HOUR - 1)).toBeDefined();
    expect(read(text, START + 24 * HOUR)).toBeUndefined();
  });

  test('is not signed for more than a day, backwards, or for a key of another size', () => {
    const refused = (change: object) => codeOf(() => signChannelKey({ ...fields, ...change }, mesh));
    expect(refused({ notAfter: START + 24 * HOUR + 1 })).toBe('CHANNEL_REJECTED');
    expect(refused({ notAfter: START })).toBe('CHANNEL_REJECTED');
    expect(refused({ notBefore: -1 })).toBe('CHANNEL_REJECTED');
    expect(refused({ publicKey: 'AAAA' })).toBe('CHANNEL_REJECTED');
    expect(refused({ service: 'Vault' })).toBe('CHANNEL_REJECTED');
  });

  test('is refused in any other form than the canonical one, even signed', () => {
    const { notBefore, notAfter, publicKey, service } = fields;
    const canonical = JSON.stringify({ notAfter, notBefore, publicKey, service, v: 1 });
    expect(read(signed(canonical))).toBeDefined();
    for (const json of [
      JSON.stringify({ v: 1, service, publicKey, notBefore, notAfter }),
      `${canonical} `,
      JSON.stringify({ extra: 1, notAfter, notBefore, publicKey, service, v: 1 }),
      JSON.stringify({ notAfter, notBefore, publicKey, service, v: 2 }),
      JSON.stringify({ notAfter: String(notAfter), notBefore, publicKey, service, v: 1 }),
      JSON.stringify({ notAfter, notBefore, publicKey, v: 1 }),
      canonical.replace('"v":1', '"v":1,"v":1'),
      '[]',
      'null',
      '"text"',
      '{',
      '',
    ])
      expect(read(signed(json))).toBeUndefined();
  });
});
