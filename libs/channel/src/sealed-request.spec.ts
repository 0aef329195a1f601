import { beforeAll, describe, expect, test } from '@jest/globals';
import { fromBase64Url, fromUtf8, KeymeshError, Secret, toBase64Url, utf8 } from '@keymesh/kernel';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { handClock, HOUR, makeRig, START, type Rig } from '../test/rig.js';
import { fixedSuite } from '../test/vectors.js';
import {
  importChannelKey,
  makeChannelKeyPair,
  openSealedRequest,
  readChannelKey,
  sealRequest,
  signChannelKey,
} from './index.js';
import { sealRequestWith } from './sealed-request.js';

const codeOf = async (work: Promise<unknown>): Promise<string | undefined> => {
  try {
    await work;
    return undefined;
  } catch (error) {
    return KeymeshError.is(error) ? error.code : `not ours: ${String(error)}`;
  }
};

describe('a sealed request', () => {
  let rig: Rig;
  beforeAll(async () => void (rig = await makeRig()));
  const seal = (text = 'a token') => sealRequest('openSession', rig.key.statement, utf8(text), rig.clock);

  test('opens for the service that it is for, and looks like nothing to others', async () => {
    const { keyId, sealed } = await seal();
    expect(keyId).toBe(rig.key.statement.keyId);
    expect(Buffer.from(sealed, 'base64url').includes('a token')).toBe(false);
    expect(fromUtf8(await openSealedRequest('openSession', rig.key, sealed, rig.clock))).toBe('a token');
    expect((await seal()).sealed).not.toBe(sealed);
  });

  test('opens for no other operation, no other key, and with no byte changed', async () => {
    const { sealed } = await seal();
    expect(await codeOf(openSealedRequest('other', rig.key, sealed, rig.clock))).toBe('CHANNEL_REJECTED');
    const other = await makeRig();
    expect(await codeOf(openSealedRequest('openSession', other.key, sealed, rig.clock))).toBe(
      'CHANNEL_REJECTED',
    );
    const bytes = fromBase64Url(sealed)!;
    for (let at = 0; at < bytes.length; at++) {
      const spoiled = Uint8Array.from(bytes, (byte, index) => (index === at ? byte ^ 1 : byte));
      const opened = openSealedRequest('openSession', rig.key, toBase64Url(spoiled), rig.clock);
      // The highest bit of an X25519 coordinate is ignored (RFC 7748 section 5), but the encapsulated bytes are part of the KEM's context.
      expect(await codeOf(opened)).toBe('CHANNEL_REJECTED');
    }
    for (const text of ['', 'A', '*', toBase64Url(bytes.subarray(0, 40)), `${sealed}AAAA`])
      expect(await codeOf(openSealedRequest('openSession', rig.key, text, rig.clock))).toBe(
        'CHANNEL_REJECTED',
      );
  });

  test('is neither sealed nor opened when the key is over', async () => {
    const { sealed } = await seal();
    const later = handClock(rig.key.statement.notAfter);
    expect(await codeOf(openSealedRequest('openSession', rig.key, sealed, later))).toBe('CHANNEL_EXPIRED');
    expect(await codeOf(sealRequest('openSession', rig.key.statement, utf8('x'), later))).toBe(
      'CHANNEL_EXPIRED',
    );
  });
});

// Frozen: what was sealed once opens as long as its key lives, whichever release opens it.
test('the golden sealed request, version 1, is made again byte for byte and opens', async () => {
  const file = new URL('../test/golden/sealed-request-v1.json', import.meta.url);
  const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
  const { mesh } = await makeRig();
  if (!existsSync(file) && process.env.KEYMESH_WRITE_GOLDEN === '1') {
    const { publicKey, privateKey } = await makeChannelKeyPair();
    const statement = signChannelKey(
      { service: 'policy', publicKey, notBefore: START, notAfter: START + 12 * HOUR },
      mesh,
    );
    const service = readChannelKey(statement, mesh.publicKeyText, 'policy', START)!;
    const ephemeralIkm = '9ae5745adc41a22cc0278210a06946e3ff70246a841b329c796a0c1f0a2f84d4';
    const plaintext = Buffer.from('{"v":1}').toString('hex');
    const made = await sealRequestWith(
      'openSession',
      service,
      hex(plaintext),
      handClock(),
      fixedSuite(hex(ephemeralIkm)),
    );
    // EXPOSE: a key made for this file alone.
    const servicePrivateKey = Buffer.from(privateKey.expose()).toString('hex');
    const vector = {
      operation: 'openSession',
      meshPublicKey: mesh.publicKeyText,
      statement,
      servicePrivateKey,
      ephemeralIkm,
      plaintext,
      ...made,
    };
    writeFileSync(file, `${JSON.stringify(vector, null, 2)}\n`);
  }
  const golden = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
  const { operation = '', statement = '', meshPublicKey = '', plaintext = '', sealed, keyId } = golden;
  const service = readChannelKey(statement, meshPublicKey, 'policy', START)!;
  const key = await importChannelKey(service, new Secret(hex(golden.servicePrivateKey ?? ''), 'golden'));
  const suite = fixedSuite(hex(golden.ephemeralIkm ?? ''));
  expect(await sealRequestWith(operation, service, hex(plaintext), handClock(), suite)).toEqual({
    keyId,
    sealed,
  });
  const opened = await openSealedRequest(operation, key, sealed ?? '', handClock());
  expect(Buffer.from(opened).toString('hex')).toBe(plaintext);
});
