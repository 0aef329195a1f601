import { describe, expect, test } from '@jest/globals';
import { lengthPrefixed } from '@keymesh/kernel';
import { argon2Sync, createDecipheriv, createHmac, hkdfSync, pbkdf2Sync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hex, secretOf, shown } from '../test/support.js';
import {
  commitName,
  decodeParts,
  decryptValue,
  encodeParts,
  fingerprint,
  macRow,
  makeRootWrapper,
  openUnderWrappingKey,
  unwrapDek,
  type DekBinding,
  type RowValue,
  type ValueBinding,
} from './index.js';

const golden = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../test/golden/${name}.json`, import.meta.url), 'utf8'));
const u64 = (value: number): Buffer => Buffer.from(value.toString(16).padStart(16, '0'), 'hex');

/** The sealed box of ADR 0002, read without any code of this library. */
function readBox(key: Uint8Array, binding: Uint8Array, box: Uint8Array): string {
  expect(box[0]).toBe(1);
  const derived = Buffer.from(hkdfSync('sha512', key, box.slice(1, 33), binding, 64));
  expect(derived.subarray(32).toString('hex')).toBe(Buffer.from(box.slice(33, 65)).toString('hex'));
  const decipher = createDecipheriv('aes-256-gcm', derived.subarray(0, 32), box.slice(65, 77), {
    authTagLength: 16,
  });
  decipher.setAAD(binding).setAuthTag(box.slice(-16));
  return Buffer.concat([decipher.update(box.slice(77, -16)), decipher.final()]).toString('hex');
}

describe('what was written in the past still opens, here and by a second implementation:', () => {
  test('a value, format 1', () => {
    const file = golden('value-v1') as {
      dek: string;
      binding: ValueBinding;
      plaintext: string;
      encrypted: string;
    };
    const { dek, binding, plaintext, encrypted } = file;
    expect(shown(decryptValue({ dek: secretOf(hex(dek)), encrypted: hex(encrypted), binding }))).toBe(
      plaintext,
    );
    const { namespaceId, credentialId, version, dekId } = binding;
    const bound = lengthPrefixed('keymesh/v1/value', namespaceId, credentialId, u64(version), dekId);
    expect(readBox(hex(dek), bound, hex(encrypted))).toBe(plaintext);
  });

  test('a wrapped DEK, format 1', () => {
    const { kek, binding, dek, wrapped } = golden('wrapped-dek-v1') as {
      kek: string;
      binding: DekBinding;
      dek: string;
      wrapped: string;
    };
    expect(shown(unwrapDek({ kek: secretOf(hex(kek)), wrapped: hex(wrapped), binding }))).toBe(dek);
    const { dekId, kekId, kekVersion } = binding;
    const bound = lengthPrefixed('keymesh/v1/wrapped-dek', dekId, kekId, u64(kekVersion));
    expect(readBox(hex(kek), bound, hex(wrapped))).toBe(dek);
  });

  test('a key wrapped by the root, format 1, with and without a passphrase', async () => {
    const file = golden('root-wrap-v1') as {
      masterKey: string;
      context: string;
      key: string;
      cases: { passphrase: string; wrapped: string }[];
    };
    expect(file.cases).toHaveLength(2);
    for (const { passphrase, wrapped } of file.cases) {
      const masterKey = secretOf(hex(file.masterKey));
      const root = makeRootWrapper({
        masterKey,
        passphrase: passphrase === '' ? undefined : secretOf(hex(passphrase)),
      });
      expect(shown(await root.unwrap(file.context, hex(wrapped)))).toBe(file.key);
      const bytes = hex(wrapped);
      expect(bytes[0]).toBe(1);
      const password = lengthPrefixed(hex(file.masterKey), hex(passphrase));
      const rootKey = pbkdf2Sync(password, bytes.slice(1, 33), 600_000, 32, 'sha256');
      const bound = lengthPrefixed('keymesh/v1/root-wrap', file.context);
      expect(readBox(rootKey, bound, bytes.slice(33))).toBe(file.key);
    }
  });

  test('a key wrapped by the root, format 2: argon2id', async () => {
    const file = golden('root-wrap-v2') as {
      masterKey: string;
      context: string;
      key: string;
      cases: { passphrase: string; wrapped: string }[];
    };
    expect(file.cases).toHaveLength(2);
    for (const { passphrase, wrapped } of file.cases) {
      const root = makeRootWrapper({
        masterKey: secretOf(hex(file.masterKey)),
        passphrase: passphrase === '' ? undefined : secretOf(hex(passphrase)),
      });
      expect(shown(await root.unwrap(file.context, hex(wrapped)))).toBe(file.key);
      const bytes = Buffer.from(wrapped, 'hex');
      expect(bytes[0]).toBe(2);
      const password = lengthPrefixed(hex(file.masterKey), hex(passphrase));
      const rootKey = argon2Sync('argon2id', {
        message: password,
        nonce: bytes.subarray(1, 33),
        memory: bytes.readUInt32BE(33),
        passes: bytes.readUInt32BE(37),
        parallelism: bytes[41]!,
        tagLength: 32,
      });
      const bound = lengthPrefixed('keymesh/v1/root-wrap', file.context);
      expect(readBox(rootKey, bound, bytes.subarray(42))).toBe(file.key);
    }
  });

  test('a key under a wrapping key, format 1', () => {
    const file = golden('wrapping-key-v1') as Record<
      'wrappingKey' | 'header' | 'context' | 'key' | 'box',
      string
    >;
    const wrappingKey = secretOf(hex(file.wrappingKey));
    const place = { wrappingKey, header: hex(file.header), context: file.context };
    expect(shown(openUnderWrappingKey({ ...place, box: hex(file.box) }))).toBe(file.key);
    const bound = lengthPrefixed('keymesh/v1/wrapping-key', hex(file.header), file.context);
    expect(readBox(hex(file.wrappingKey), bound, hex(file.box))).toBe(file.key);
  });

  test('the parts of a value, format 1', () => {
    const { parts, plaintext } = golden('parts-v1') as { parts: Record<string, string>; plaintext: string };
    const decoded = decodeParts(secretOf(hex(plaintext)));
    expect(Object.fromEntries(Object.entries(decoded).map(([name, part]) => [name, shown(part)]))).toEqual(
      parts,
    );
    expect(shown(encodeParts(decoded))).toBe(plaintext);
  });

  test('the keyed hashes of rows, values and names', () => {
    const file = golden('keyed-hash-v1') as {
      key: string;
      fields: Record<string, RowValue>;
      rowMac: string;
      value: string;
      fingerprint: string;
      salt: string;
      name: string;
      nameCommitment: string;
    };
    const key = secretOf(hex(file.key));
    const fields = { ...file.fields, hash: hex(String(file.fields.hash)) };
    expect(Buffer.from(macRow(key, fields)).toString('hex')).toBe(file.rowMac);
    const columns = lengthPrefixed(
      'keymesh/v1/row',
      ...['active', 'btrue', 'expiresAtMs', 'n', 'hash', Buffer.from('7800ff', 'hex'), 'revision', 'i7'],
      ...[
        'stage',
        'scurrent',
        'table',
        'scredential',
        'tags',
        Buffer.concat([Buffer.from('l'), lengthPrefixed('a', 'b')]),
      ],
    );
    expect(createHmac('sha256', hex(file.key)).update(columns).digest('hex')).toBe(file.rowMac);
    expect(fingerprint(key, secretOf(hex(file.value)))).toBe(file.fingerprint);
    expect(commitName(hex(file.salt), file.name)).toBe(file.nameCommitment);
  });
});
