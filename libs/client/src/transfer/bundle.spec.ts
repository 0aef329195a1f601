import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { Secret } from '@keymesh/kernel';
import { expectCode } from '@keymesh/testing';
import { Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import fc from 'fast-check';
import { decodeBundle, encodeBundle, type BundledCredential } from './bundle.js';
import { seal, unseal, type SealFor } from './seal.js';

async function* each<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  for (const item of items) yield await Promise.resolve(item);
}
const listOf = <Item>(...items: Item[]): AsyncGenerator<Item> => each(items);
async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(Uint8Array.from(chunk));
  return Buffer.concat(all);
}
const partsOf = ({ values, ...rest }: BundledCredential) => ({
  ...rest,
  values: Object.fromEntries(
    Object.entries(values).map(([name, part]) => [name, Buffer.from(part.expose()).toString('hex')]),
  ),
});
async function collect(credentials: AsyncIterable<BundledCredential>) {
  const all = [];
  for await (const credential of credentials) all.push(partsOf(credential));
  return all;
}
const made = (name: string, value: Uint8Array): BundledCredential => ({
  ...{ name, type: 'generic', version: 3, tags: ['a'] },
  values: { value: new Secret(value, 'value') },
});

const value = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.string({ unit: 'binary' }).map((text) => new TextEncoder().encode(text)),
  fc
    .constantFrom('"quoted"', "it's", 'a\r\nb\n', '\0', '{"$part":1}', '\u{1f511}')
    .map((text) => new TextEncoder().encode(text)),
  fc.constant(new Uint8Array(65_536).fill(7)),
);

describe('a bundle', () => {
  it('gives back what went in, whatever it is and however it is cut into chunks', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(value, { maxLength: 6 }),
        fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 20, max: 70_000 })),
        async (values, chunkBytes) => {
          const plain = values.map((bytes, at) => made(`n${String(at)}`, Uint8Array.from(bytes)));
          const expected = plain.map(partsOf);
          const bytes = await bytesOf(encodeBundle(each(plain), new Date(0)));
          const chunks = Array.from({ length: Math.ceil(bytes.length / chunkBytes) }, (_, at) =>
            Uint8Array.from(bytes.subarray(at * chunkBytes, (at + 1) * chunkBytes)),
          );
          expect(await collect(decodeBundle(each(chunks)))).toEqual(expected);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('is never taken for whole when it was cut off, and disposes what it wrote', async () => {
    const credential = made('a', randomBytes(40));
    const bytes = await bytesOf(encodeBundle(listOf(credential), new Date(0)));
    expect(() => credential.values.value?.expose()).toThrow('used after dispose');
    for (let length = 0; length < bytes.length; length += 1)
      await expectCode(
        collect(decodeBundle(listOf(Uint8Array.from(bytes.subarray(0, length))))),
        'BUNDLE_INVALID',
      );
    await expectCode(collect(decodeBundle(listOf(Uint8Array.from([...bytes, 0])))), 'BUNDLE_INVALID');
  });
});

describe('a sealed file', () => {
  const plain = randomBytes(200_000);
  const sealed = (sealFor: SealFor) =>
    bytesOf(seal(listOf(plain.subarray(0, 70_000), plain.subarray(70_000)), sealFor));

  it('opens for whom it was sealed, and for nobody else', async () => {
    const identity = await generateX25519Identity();
    const file = await sealed({ recipients: [await identityToRecipient(identity)] });
    expect((await bytesOf(unseal(listOf(file), { identities: [identity] }))).equals(plain)).toBe(true);
    const another = await generateX25519Identity();
    await expectCode(bytesOf(unseal(listOf(file), { identities: [another] })), 'BUNDLE_INVALID');
    await expectCode(
      bytesOf(unseal(listOf(file), { passphrase: Secret.fromText('no passphrase', 'p') })),
      'BUNDLE_INVALID',
    );
    expect(file.includes(plain.subarray(0, 32))).toBe(false);
  });

  it('opens with its passphrase only', async () => {
    // As an export is sealed, but for the work: that takes seconds, and a test on the real mesh does it once.
    const encrypter = new Encrypter();
    encrypter.setPassphrase('correct horse battery');
    encrypter.setScryptWorkFactor(10);
    const file = await encrypter.encrypt(plain);
    const open = (text: string) => bytesOf(unseal(listOf(file), { passphrase: Secret.fromText(text, 'p') }));
    expect((await open('correct horse battery')).equals(plain)).toBe(true);
    await expectCode(open('correct horse'), 'BUNDLE_INVALID');
  });

  it('does not open when it was changed or cut off', async () => {
    const identity = await generateX25519Identity();
    const file = await sealed({ recipients: [await identityToRecipient(identity)] });
    for (const at of [0, 30, 150, 66_000, file.length - 1]) {
      const changed = Buffer.from(file);
      changed[at] = changed[at]! ^ 1;
      await expectCode(bytesOf(unseal(listOf(changed), { identities: [identity] })), 'BUNDLE_INVALID');
    }
    for (const length of [0, 10, 200, 65_900, file.length - 1])
      await expectCode(
        bytesOf(unseal(listOf(file.subarray(0, length)), { identities: [identity] })),
        'BUNDLE_INVALID',
      );
  });

  it('says so when a recipient or an identity is none', async () => {
    await expectCode(sealed({ recipients: ['age1nobody'] }), 'USAGE');
    await expectCode(bytesOf(unseal(listOf(plain), { identities: ['nobody'] })), 'USAGE');
  });
});
