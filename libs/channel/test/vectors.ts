import { fromBase64Url, Secret, signingKeyOf, toHex, utf8 } from '@keymesh/kernel';
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { AEAD_AES_256_GCM, CipherSuite, KDF_HKDF_SHA256, KEM_DHKEM_X25519_HKDF_SHA256 } from 'hpke';
import { makeAcceptorWith } from '../src/acceptor.js';
import { openSessionWith } from '../src/client-session.js';
import { importChannelKey, readChannelKey, signChannelKey } from '../src/index.js';
import { handClock, HOUR, START } from './rig.js';

/** One whole conversation from fixed seeds, as hex and text, for golden files. */
export interface ChannelVectors {
  readonly description: string;
  readonly seeds: {
    readonly mesh: string;
    readonly client: string;
    readonly servicePrivateKey: string;
    readonly ephemeralIkm: string;
    readonly replySalt: string;
  };
  readonly meshPublicKey: string;
  readonly clientPublicKey: string;
  readonly now: number;
  readonly statement: string;
  readonly setupHeader: string;
  readonly sessionId: string;
  readonly subject: string;
  readonly messages: readonly {
    readonly requestId: string;
    readonly deadlineMs: number;
    readonly request: {
      readonly partsHeader: string;
      readonly plaintext: string;
      readonly sequence: number;
      readonly body: string;
    };
    readonly reply: {
      readonly partsHeader: string;
      readonly plaintext: string;
      readonly replyHeader: string;
      readonly body: string;
    };
  }[];
}

/** 32 bytes of a name: no randomness, so that anyone can make the vectors again. */
export const seedOf = (name: string): Uint8Array =>
  Uint8Array.from(createHash('sha256').update(`keymesh channel vectors: ${name}`).digest());

/** The channel's suite with an ephemeral key pair that is always the same. Only ever for vectors. */
export function fixedSuite(ikm: Uint8Array): CipherSuite {
  const kem = () => {
    const real = KEM_DHKEM_X25519_HKDF_SHA256();
    return Object.assign(real, {
      GenerateKeyPair: (extractable: boolean) => real.DeriveKeyPair(ikm, extractable),
    });
  };
  return new CipherSuite(kem, KDF_HKDF_SHA256, AEAD_AES_256_GCM);
}

const secretOf = (hex: string): Secret => new Secret(Uint8Array.from(Buffer.from(hex, 'hex')), 'seed');

export function x25519PublicKey(privateKeyHex: string): string {
  const der = Buffer.from(`302e020100300506032b656e04220420${privateKeyHex}`, 'hex');
  const key = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
  return key.export({ format: 'jwk' }).x!;
}

const CASES = [
  {
    deadlineMs: 5_000,
    request: '{"name":"alpha_vantage"}',
    reply: ['{"values":{"value":{"$part":1}}}', 'demo-key'],
  },
  {
    deadlineMs: 30_000,
    request: '{}',
    reply: ['{"error":{"code":"CREDENTIAL_NOT_FOUND","message":"…","retryable":false}}'],
  },
  { deadlineMs: 0, request: '', reply: [''] },
];

/** Makes the vectors with the code as it is now. */
export async function makeVectors(): Promise<ChannelVectors> {
  const names = ['mesh', 'client', 'servicePrivateKey', 'ephemeralIkm', 'replySalt'] as const;
  const seeds = Object.fromEntries(
    names.map((name) => [name, toHex(seedOf(name))]),
  ) as ChannelVectors['seeds'];
  const clock = handClock();
  const mesh = signingKeyOf(secretOf(seeds.mesh));
  const signingKey = signingKeyOf(secretOf(seeds.client));
  const publicKey = x25519PublicKey(seeds.servicePrivateKey);
  const validity = { notBefore: START, notAfter: START + 24 * HOUR };
  const text = signChannelKey({ service: 'vault', publicKey, ...validity }, mesh);
  const statement = readChannelKey(text, mesh.publicKeyText, 'vault', START)!;
  const key = await importChannelKey(statement, secretOf(seeds.servicePrivateKey));
  const suite = fixedSuite(Buffer.from(seeds.ephemeralIkm, 'hex'));
  const client = await openSessionWith(
    { principal: 'billing', signingKey, service: statement, clock },
    suite,
  );
  const acceptor = makeAcceptorWith(
    { service: 'vault', privateKey: () => key, isChannelKeyOf: () => true, clock },
    () => Uint8Array.from(Buffer.from(seeds.replySalt, 'hex')),
  );
  const service = await acceptor.accept(client.setupHeader);
  const subject = 'keymesh.v1.rpc.billing.vault.credential.retrieve';
  const messages = CASES.map(({ deadlineMs, request, reply }, at) => {
    const binding = { subject, requestId: `0198b0aa-0000-7000-8000-00000000000${at}`, deadlineMs };
    const body = utf8(request);
    const partsHeader = String(body.length);
    const sent = client.encryptRequest({ ...binding, partsHeader, body });
    const replyBody = utf8(reply.join(''));
    const replyParts = reply.map((part) => utf8(part).length).join(',');
    const answer = service.encryptReply({ ...binding, partsHeader: replyParts, body: replyBody });
    return {
      requestId: binding.requestId,
      deadlineMs,
      request: { partsHeader, plaintext: toHex(body), sequence: sent.sequence, body: toHex(sent.body) },
      reply: {
        partsHeader: replyParts,
        plaintext: toHex(replyBody),
        replyHeader: answer.replyHeader,
        body: toHex(answer.body),
      },
    };
  });
  return {
    description: 'docs/reference/channel.md; seeds and bodies are hex. Frozen: never edited, only added to.',
    seeds,
    meshPublicKey: mesh.publicKeyText,
    clientPublicKey: signingKey.publicKeyText,
    now: START,
    statement: text,
    setupHeader: client.setupHeader,
    sessionId: client.sessionId,
    subject,
    messages,
  };
}

/** @throws Error when the text is no base64url; for specs. */
export const bytesOf = (text: string): Uint8Array => {
  const bytes = fromBase64Url(text);
  if (bytes === undefined) throw new Error('not base64url');
  return bytes;
};
