import { beforeAll, describe, expect, test } from '@jest/globals';
import { fromBase64Url, makeSigningKey, signFor, toBase64Url } from '@keymesh/kernel';
import { everyBitFlipped, everyOtherLength, SMALL_ORDER_POINTS } from '../test/corrupt.js';
import { codeOfAsync, HOUR, handClock, makeKey, makeRig, START, type Rig } from '../test/rig.js';
import { importChannelKey, openSession } from './index.js';
import { parseSetup, setupInfo, signSetup, type Setup } from './setup.js';
import { channelSuite } from './suite.js';

/** Where each field of a set-up of `billing` to `vault` stands, bytes. */
const KEY_ID = { from: 1 + 1 + 7 + 32 + 1 + 5, bytes: 16 };
const EXPIRY = { from: KEY_ID.from + 16, bytes: 8 };
const within = (at: number, field: typeof KEY_ID): boolean =>
  at >= field.from && at < field.from + field.bytes;

describe('a channel set-up', () => {
  let rig: Rig;
  let header: string;
  let setup: Setup;
  let info: Uint8Array;
  const accept = (text: string): Promise<string | undefined> => codeOfAsync(rig.acceptor().accept(text));
  beforeAll(async () => {
    rig = await makeRig();
    header = (await rig.session()).setupHeader;
    setup = parseSetup(header)!;
    info = setupInfo(setup, fromBase64Url(rig.key.statement.publicKey)!);
  });

  test('names what was signed', () => {
    expect(setup).toMatchObject({ principal: 'billing', service: 'vault', keyId: rig.key.statement.keyId });
    expect(toBase64Url(setup.clientPublicKey)).toBe(rig.client.publicKeyText);
    expect(setup.expiresAt).toBe(START + 12 * HOUR);
  });

  test('is refused with any bit flipped', async () => {
    const bytes = fromBase64Url(header)!;
    expect(bytes).toHaveLength(EXPIRY.from + 8 + 32 + 64);
    for (const flipped of everyBitFlipped(bytes)) {
      const code = await accept(toBase64Url(flipped.bytes));
      // Another key id is one that is not here; an earlier expiry is over. Both are told before the signature is looked at.
      if (within(flipped.at, KEY_ID)) expect(code).toBe('CHANNEL_EXPIRED');
      else if (within(flipped.at, EXPIRY)) expect(['CHANNEL_REJECTED', 'CHANNEL_EXPIRED']).toContain(code);
      else expect(code).toBe('CHANNEL_REJECTED');
    }
  });

  test('is refused cut, lengthened, padded, in another alphabet, or as nonsense', async () => {
    for (const bytes of everyOtherLength(fromBase64Url(header)!))
      expect(await accept(toBase64Url(bytes))).toBe('CHANNEL_REJECTED');
    const standard = Buffer.from(fromBase64Url(header)!).toString('base64');
    for (const text of [`${header}=`, `${header}\n`, ` ${header}`, standard, '', '.', 'x'.repeat(1e6), '💥'])
      expect(await accept(text)).toBe('CHANNEL_REJECTED');
  });

  // A second form of one header would be a second session with a window of its own, and every request could be replayed into it.
  test('is refused when its names have a byte order mark, which a lenient reader drops', async () => {
    const bytes = fromBase64Url(header)!;
    const mark = [0xef, 0xbb, 0xbf];
    const marked = [bytes[0]!, bytes[1]! + 3, ...mark, ...bytes.slice(2)];
    expect(await accept(toBase64Url(Uint8Array.from(marked)))).toBe('CHANNEL_REJECTED');
  });

  // HPKE base mode lets anyone encapsulate under any info: a captured signature must not carry a key of the attacker's own.
  test('is refused when a captured signature comes with an encapsulation of the attacker', async () => {
    const suite = channelSuite();
    const publicKey = await suite.DeserializePublicKey(fromBase64Url(rig.key.statement.publicKey)!);
    const { encapsulatedSecret } = await suite.SetupSender(publicKey, { info });
    const bytes = fromBase64Url(header)!;
    bytes.set(encapsulatedSecret, bytes.length - 64 - 32);
    expect(await accept(toBase64Url(bytes))).toBe('CHANNEL_REJECTED');
  });

  test('is refused when signed by another key than it names, or for another purpose', async () => {
    const stranger = makeSigningKey().key;
    expect(await accept(signSetup(setup, info, setup.encapsulated, stranger))).toBe('CHANNEL_REJECTED');
    const bytes = fromBase64Url(header)!;
    bytes.set(signFor('keymesh/v1/statement', info, rig.client), bytes.length - 64);
    expect(await accept(toBase64Url(bytes))).toBe('CHANNEL_REJECTED');
  });

  test('is refused under a name that is not the key’s, or with a key that nobody has', async () => {
    const { key } = rig;
    const claim = { service: key.statement, clock: rig.clock };
    const other = await openSession({ ...claim, principal: 'operator', signingKey: rig.client });
    const unknown = await openSession({ ...claim, principal: 'billing', signingKey: makeSigningKey().key });
    expect(await accept(other.setupHeader)).toBe('CHANNEL_REJECTED');
    expect(await accept(unknown.setupHeader)).toBe('CHANNEL_REJECTED');
  });

  test('is refused by a service that it was not made for, even one with the same key', async () => {
    const audit = await makeKey(rig.mesh, rig.clock, 'audit');
    const session = await openSession({
      principal: 'billing',
      signingKey: rig.client,
      service: audit.statement,
      clock: rig.clock,
    });
    expect(await codeOfAsync(rig.acceptor({ keys: [audit] }).accept(session.setupHeader))).toBe(
      'CHANNEL_REJECTED',
    );
  });

  test('is refused when it claims more than twelve hours, or more than its key has left', async () => {
    const claims = async (expiresAt: number): Promise<string | undefined> => {
      const fields = { ...setup, expiresAt };
      const longer = setupInfo(fields, fromBase64Url(rig.key.statement.publicKey)!);
      return accept(signSetup(fields, longer, setup.encapsulated, rig.client));
    };
    expect(await claims(START + 13 * HOUR)).toBe('CHANNEL_REJECTED');
    expect(await claims(START + 25 * HOUR)).toBe('CHANNEL_REJECTED');
    expect(await claims(Number.MAX_SAFE_INTEGER)).toBe('CHANNEL_REJECTED');
    expect(await claims(START)).toBe('CHANNEL_EXPIRED');
  });

  test.each(SMALL_ORDER_POINTS)(
    'is refused when its encapsulated key %s gives an all-zero secret',
    async (hex) => {
      const point = Uint8Array.from(Buffer.from(hex, 'hex'));
      expect(await accept(signSetup(setup, info, point, rig.client))).toBe('CHANNEL_REJECTED');
      const service = { ...rig.key.statement, publicKey: toBase64Url(point) };
      const opening = openSession({
        principal: 'billing',
        signingKey: rig.client,
        service,
        clock: rig.clock,
      });
      expect(await codeOfAsync(opening)).toBe('CHANNEL_REJECTED');
    },
  );

  test('is not even made to a key that is over', async () => {
    const late = handClock(rig.key.statement.notAfter);
    const opening = openSession({
      principal: 'billing',
      signingKey: rig.client,
      service: rig.key.statement,
      clock: late,
    });
    expect(await codeOfAsync(opening)).toBe('CHANNEL_EXPIRED');
  });

  test('needs the private half of the very key that is certified', async () => {
    const { makeChannelKeyPair } = await import('./index.js');
    const { privateKey } = await makeChannelKeyPair();
    expect(await codeOfAsync(importChannelKey(rig.key.statement, privateKey))).toBe('CHANNEL_REJECTED');
  });
});
