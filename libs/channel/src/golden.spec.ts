import { beforeAll, describe, expect, test } from '@jest/globals';
import { lengthPrefixed, Secret, signingKeyOf, toBase64Url, toHex, verifyFor } from '@keymesh/kernel';
import { createDecipheriv } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { hkdf, recipientExporter } from '../test/rfc9180.js';
import { handClock } from '../test/rig.js';
import { bytesOf, fixedSuite, makeVectors, x25519PublicKey, type ChannelVectors } from '../test/vectors.js';
import { makeAcceptorWith } from './acceptor.js';
import { openSessionWith } from './client-session.js';
import { importChannelKey, openWithStateKey, readChannelKey } from './index.js';

const folder = new URL('../test/golden/', import.meta.url);
const file = new URL('channel-v1.json', folder);
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));

/** KEYMESH_WRITE_GOLDEN=1 makes the file when it is missing; an existing one is never written over. */
async function vectors(): Promise<ChannelVectors> {
  if (!existsSync(file) && process.env.KEYMESH_WRITE_GOLDEN === '1')
    writeFileSync(file, `${JSON.stringify(await makeVectors(), null, 2)}\n`);
  return JSON.parse(readFileSync(file, 'utf8')) as ChannelVectors;
}

describe('the golden channel, version 1', () => {
  let golden: ChannelVectors;
  beforeAll(async () => void (golden = await vectors()));

  test('is made again byte for byte from its seeds', async () => {
    expect(await makeVectors()).toEqual(golden);
  });

  test('still opens, at both ends', async () => {
    const { seeds, subject } = golden;
    const clock = handClock(golden.now);
    const statement = readChannelKey(golden.statement, golden.meshPublicKey, 'vault', golden.now)!;
    const key = await importChannelKey(statement, new Secret(hex(seeds.servicePrivateKey), 'golden'));
    const isChannelKeyOf = (principal: string, publicKey: string): boolean =>
      principal === 'billing' && publicKey === golden.clientPublicKey;
    const acceptor = makeAcceptorWith(
      { service: 'vault', privateKey: () => key, isChannelKeyOf, clock },
      () => hex(seeds.replySalt),
    );
    const service = await acceptor.accept(golden.setupHeader);
    const client = await openSessionWith(
      {
        principal: 'billing',
        signingKey: signingKeyOf(new Secret(hex(seeds.client), 'golden')),
        service: statement,
        clock,
      },
      fixedSuite(hex(seeds.ephemeralIkm)),
    );
    expect([service.sessionId, client.sessionId]).toEqual([golden.sessionId, golden.sessionId]);
    for (const { requestId, deadlineMs, request, reply } of golden.messages) {
      const binding = { subject, requestId, deadlineMs };
      const opened = service.decryptRequest({ ...binding, ...request, body: hex(request.body) });
      expect(toHex(opened)).toBe(request.plaintext);
      expect(toHex(client.decryptReply({ ...binding, ...reply, body: hex(reply.body) }))).toBe(
        reply.plaintext,
      );
    }
  });

  // From the text of docs/reference/channel.md and RFC 9180 alone, without any code of the channel.
  test('is read by a second implementation', () => {
    const { seeds, subject } = golden;
    const u64 = (value: number): Buffer => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64BE(BigInt(value));
      return bytes;
    };
    const servicePublicKey = bytesOf(x25519PublicKey(seeds.servicePrivateKey));
    const header = bytesOf(golden.setupHeader);
    const expiresAt = header.slice(63, 71);
    const info = lengthPrefixed(
      'keymesh/v1/channel-setup',
      'billing',
      header.slice(9, 41),
      'vault',
      header.slice(47, 63),
      servicePublicKey,
      expiresAt,
    );
    const encapsulated = header.slice(71, 103);
    const signed = lengthPrefixed(info, encapsulated);
    expect(verifyFor('keymesh/v1/channel-setup', signed, header.slice(103), golden.clientPublicKey)).toBe(
      true,
    );
    const exported = recipientExporter(hex(seeds.servicePrivateKey), servicePublicKey, encapsulated, info);
    expect(exported('keymesh/v1/channel/session-id', 16).toString('hex')).toBe(golden.sessionId);
    const requestKey = exported('keymesh/v1/channel/request-key', 32);
    const replyBase = exported('keymesh/v1/channel/reply-key', 32);
    const replyKey = hkdf(replyBase, hex(seeds.replySalt), 'keymesh/v1/channel/instance-reply-key');
    const open = (key: Buffer, sequence: number, aad: Uint8Array, body: Uint8Array): string => {
      const nonce = Buffer.concat([Buffer.alloc(4), u64(sequence)]);
      const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 });
      decipher.setAAD(aad).setAuthTag(body.slice(-16));
      return Buffer.concat([decipher.update(body.slice(0, -16)), decipher.final()]).toString('hex');
    };
    golden.messages.forEach(({ requestId, deadlineMs, request, reply }, at) => {
      const common = ['keymesh/v1/channel', 'request', subject, requestId] as const;
      const aad = lengthPrefixed(...common, u64(request.sequence), u64(deadlineMs), request.partsHeader);
      expect(open(requestKey, request.sequence, aad, hex(request.body))).toBe(request.plaintext);
      expect(reply.replyHeader).toBe(`${toBase64Url(hex(seeds.replySalt))},${at + 1}`);
      const fields = ['keymesh/v1/channel', 'reply', subject, requestId] as const;
      const replyAad = lengthPrefixed(...fields, u64(at + 1), '', reply.partsHeader);
      expect(open(replyKey, at + 1, replyAad, hex(reply.body))).toBe(reply.plaintext);
    });
  });
});

test('the golden sealed state, version 1, still opens', () => {
  const golden = JSON.parse(readFileSync(new URL('state-v1.json', folder), 'utf8')) as Record<string, string>;
  const { stateKey = '', context = '', sealed = '', plaintext } = golden;
  expect(toHex(openWithStateKey(new Secret(hex(stateKey), 'golden'), context, hex(sealed)))).toBe(plaintext);
});
