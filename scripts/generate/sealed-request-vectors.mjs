// The members `sealedRequest` and `sessionRequest` of docs/reference/vectors/channel.json: the frozen golden sealed request with every value in between, from the
// second implementation in libs/channel/test/rfc9180.ts, and what the fresh channel key signs in it.
import { createDecipheriv, createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { lengthPrefixed, Secret, signingKeyOf, signTextFor, toBase64Url } from '@keymesh/kernel';
import { fromSeed, Prefix } from '@nats-io/nkeys';
import { Codec } from '@nats-io/nkeys/lib/codec.js';
import { recipientKey } from '../../libs/channel/test/rfc9180.ts';

const GOLDEN = join(import.meta.dirname, '../../libs/channel/test/golden/sealed-request-v1.json');
const TAG_BYTES = 16;
const bytes = (text) => Uint8Array.from(Buffer.from(text, 'base64url'));
const fromHex = (text) => Uint8Array.from(Buffer.from(text, 'hex'));
const hex = (data) => Buffer.from(data).toString('hex');
const seedOf = (name) => createHash('sha256').update(`keymesh session request vectors: ${name}`).digest();

/** @returns the frozen sealed request, and what must not be opened. */
export function sealedRequestVector() {
  const { operation, meshPublicKey, statement, servicePrivateKey, ephemeralIkm, plaintext, keyId, sealed } =
    JSON.parse(readFileSync(GOLDEN, 'utf8'));
  const { publicKey, service, notBefore, notAfter } = JSON.parse(
    Buffer.from(statement.split('.')[0], 'base64url').toString(),
  );
  const servicePublicKey = bytes(publicKey);
  const info = lengthPrefixed(
    'keymesh/v1/sealed-request',
    operation,
    service,
    fromHex(keyId),
    servicePublicKey,
  );
  const [enc, ciphertext] = [bytes(sealed).slice(0, 32), bytes(sealed).slice(32)];
  const { key, nonce } = recipientKey(fromHex(servicePrivateKey), servicePublicKey, enc, info);
  if (open(key, nonce, ciphertext) !== plaintext)
    throw new Error('the second implementation differs from the golden file');
  return {
    ...{ operation, service, meshPublicKey, statement, now: notBefore, keyId },
    ...{ servicePrivateKey, servicePublicKey: hex(servicePublicKey), ephemeralIkm },
    ...{ info: hex(info), enc: hex(enc), key: hex(key), nonce: hex(nonce), plaintext, sealed },
    refused: refusedSealed({ operation, sealed, notBefore, notAfter }),
  };
}

function open(key, nonce, ciphertext) {
  const at = ciphertext.length - TAG_BYTES;
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAuthTag(ciphertext.slice(at));
  return hex(Buffer.concat([decipher.update(ciphertext.slice(0, at)), decipher.final()]));
}

/** For the service's end: the operation that it is opened for, the text, the time, and the code. */
function refusedSealed({ operation, sealed, notBefore, notAfter }) {
  const raw = bytes(sealed);
  const flipped = (at) => toBase64Url(raw.map((byte, index) => (index === at ? byte ^ 1 : byte)));
  const refused = (why, text, { code = 'CHANNEL_REJECTED', opened = operation, now = notBefore } = {}) => ({
    ...{ why, operation: opened, sealed: text, now, code },
  });
  return [
    refused('opened for another operation', sealed, { opened: 'enrolPrincipal' }),
    refused('another encapsulated key', flipped(0)),
    refused('a changed byte', flipped(32)),
    refused('a changed tag', flipped(raw.length - 1)),
    refused('without its tag', toBase64Url(raw.slice(0, 40))),
    refused('padded base64url', `${sealed}==`),
    refused('its key is over', sealed, { code: 'CHANNEL_EXPIRED', now: notAfter }),
  ];
}

/** What is sealed to open a session, for both kinds of proof. The token and the certificate are nobody's. */
export function sessionRequestVectors() {
  const channelSeed = seedOf('channel key');
  const signingKey = signingKeyOf(new Secret(Uint8Array.from(channelSeed), 'vectors'));
  const nkey = fromSeed(Codec.encodeSeed(Prefix.User, seedOf('nkey'))).getPublicKey();
  const keys = { meshId: 'vectors', nkey, channelKey: signingKey.publicKeyText };
  const token = 'eyJhbGciOiJFUzI1NiJ9.e30.AAAA';
  const certificate = { chain: ['MAA=', 'MAE='], notAfter: '2026-11-26T00:00:00.000Z', signature: 'AAAA' };
  const { chain, notAfter, signature } = certificate;
  const base = [keys.meshId, nkey, keys.channelKey];
  const proven = (covered, proof) => ({
    signed: hex(lengthPrefixed('keymesh/v1/session-request', covered)),
    request: {
      v: 1,
      ...keys,
      ...proof,
      proof: signTextFor('keymesh/v1/session-request', covered, signingKey),
    },
  });
  return {
    channelSeed: hex(channelSeed),
    asker: `session-${hex(createHash('sha256').update(nkey).digest()).slice(0, 40)}`,
    token: proven(lengthPrefixed(...base, 'token', token), { token }),
    certificate: {
      ...proven(lengthPrefixed(...base, 'certificate', ...chain, notAfter, signature), { certificate }),
      signedByItsKey: hex(lengthPrefixed('keymesh/v1/certificate-proof', ...base, notAfter)),
    },
  };
}
