// docs/reference/vectors/channel.json: the frozen golden conversation of libs/channel with every value in between, and what must be refused. The values in
// between come from a second implementation (libs/channel/test/rfc9180.ts), not from the channel's own code.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  lengthPrefixed,
  Secret,
  signFor,
  signingKeyOf,
  signTextFor,
  toBase64Url,
  utf8,
} from '@keymesh/kernel';
import { hkdf, recipientExporter } from '../../libs/channel/test/rfc9180.ts';
import { sealedRequestVector, sessionRequestVectors } from './sealed-request-vectors.mjs';

const GOLDEN = join(import.meta.dirname, '../../libs/channel/test/golden/channel-v1.json');
const HOUR = 3_600_000;
const bytes = (text) => Uint8Array.from(Buffer.from(text, 'base64url'));
const fromHex = (text) => Uint8Array.from(Buffer.from(text, 'hex'));
const hex = (data) => Buffer.from(data).toString('hex');
const keyOf = (seed) => signingKeyOf(new Secret(fromHex(seed), 'vectors'));
const u64 = (value) => {
  const at = Buffer.alloc(8);
  at.writeBigUInt64BE(BigInt(value));
  return new Uint8Array(at);
};

/** @returns {string} the file. */
export function channelVectors() {
  const golden = JSON.parse(readFileSync(GOLDEN, 'utf8'));
  const { info, opened, setup } = setupOf(golden);
  const content = {
    description:
      'Vectors of docs/reference/channel.md, version 1. Bytes are hex, but for texts of the protocol itself. Generated; the conversation is frozen.',
    now: golden.now,
    meshPublicKey: golden.meshPublicKey,
    statement: { ...statementOf(golden), refused: refusedStatements(golden) },
    setup: { ...setup, refused: refusedSetups(golden, info) },
    messages: golden.messages.map((message) => messageOf(golden, opened, message)),
    sealedRequest: sealedRequestVector(),
    sessionRequest: sessionRequestVectors(),
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

function statementOf({ statement, seeds }) {
  const [payload] = statement.split('.');
  const json = Buffer.from(payload, 'base64url').toString();
  return {
    meshSeed: seeds.mesh,
    text: statement,
    payload: json,
    service: 'vault',
    signed: hex(lengthPrefixed('keymesh/v1/channel-key', utf8(json))),
    keyId: keyIdOf(JSON.parse(json).publicKey),
  };
}

const keyIdOf = (publicKey) => hex(createHash('sha256').update(bytes(publicKey)).digest().subarray(0, 16));

/** All but one are signed by the mesh key, so that nothing but the check named refuses them. */
function refusedStatements({ seeds, statement, now }) {
  const mesh = keyOf(seeds.mesh);
  const text = Buffer.from(statement.split('.')[0], 'base64url').toString();
  const fields = JSON.parse(text);
  const sign = (json, purpose = 'keymesh/v1/channel-key') =>
    `${toBase64Url(utf8(json))}.${signTextFor(purpose, utf8(json), mesh)}`;
  const sorted = (value) =>
    JSON.stringify(Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))));
  const refused = (why, refusedText, at = now) => ({ why, text: refusedText, now: at });
  return [
    refused(
      'signed by another key',
      `${statement.split('.')[0]}.${signTextFor('keymesh/v1/channel-key', utf8(text), keyOf(seeds.client))}`,
    ),
    refused('signed for another purpose', sign(text, 'keymesh/v1/bundle')),
    refused('of another service', sign(sorted({ ...fields, service: 'audit' }))),
    refused('of another version', sign(sorted({ ...fields, v: 2 }))),
    refused('one member too many', sign(sorted({ ...fields, more: 1 }))),
    refused('members in another order', sign(JSON.stringify({ v: 1, ...fields }))),
    refused('a member twice', sign(text.replace('"v":1', '"v":1,"v":1'))),
    refused('white space', sign(`${text} `)),
    refused(
      'a key of 31 bytes',
      sign(sorted({ ...fields, publicKey: toBase64Url(bytes(fields.publicKey).slice(1)) })),
    ),
    refused('valid for longer than 24 hours', sign(sorted({ ...fields, notAfter: fields.notAfter + 1 }))),
    refused('padded base64url', `${statement.split('.')[0]}=.${statement.split('.')[1]}`),
    refused('over', statement, fields.notAfter),
    refused('not yet, by more than sixty seconds', statement, fields.notBefore - 60_001),
  ];
}

function setupOf(golden) {
  const { seeds, setupHeader } = golden;
  const header = bytes(setupHeader);
  const payload = JSON.parse(Buffer.from(golden.statement.split('.')[0], 'base64url').toString());
  const [clientPublicKey, keyId, expiry, enc] = [
    header.slice(9, 41),
    header.slice(47, 63),
    header.slice(63, 71),
    header.slice(71, 103),
  ];
  const servicePublicKey = bytes(payload.publicKey);
  const info = lengthPrefixed(
    'keymesh/v1/channel-setup',
    'billing',
    clientPublicKey,
    'vault',
    keyId,
    servicePublicKey,
    expiry,
  );
  const exported = recipientExporter(fromHex(seeds.servicePrivateKey), servicePublicKey, enc, info);
  const opened = {
    requestKey: exported('keymesh/v1/channel/request-key', 32),
    replyBase: exported('keymesh/v1/channel/reply-key', 32),
  };
  const setup = {
    principal: 'billing',
    clientSeed: seeds.client,
    clientPublicKey: hex(clientPublicKey),
    service: 'vault',
    servicePrivateKey: seeds.servicePrivateKey,
    servicePublicKey: hex(servicePublicKey),
    ephemeralIkm: seeds.ephemeralIkm,
    expiry: Number(Buffer.from(expiry).readBigUInt64BE()),
    info: hex(info),
    enc: hex(enc),
    signed: hex(lengthPrefixed('keymesh/v1/channel-setup', lengthPrefixed(info, enc))),
    header: setupHeader,
    requestKey: hex(opened.requestKey),
    replyBase: hex(opened.replyBase),
    sessionId: hex(exported('keymesh/v1/channel/session-id', 16)),
  };
  if (setup.sessionId !== golden.sessionId)
    throw new Error('the second implementation differs from the golden file');
  return { info, opened, setup };
}

/** For the service's end: header, clock, and the code that answers it. */
function refusedSetups({ setupHeader, seeds, now }, info) {
  const header = bytes(setupHeader);
  const put = (at, data) => {
    const changed = Uint8Array.from(header);
    changed.set(data, at);
    return toBase64Url(changed);
  };
  const flipped = (at) => put(at, [header[at] ^ 1]);
  const signedOnlyInfo = signFor('keymesh/v1/channel-setup', info, keyOf(seeds.client));
  const refused = (why, text, code, at = now) => ({ why, header: text, now: at, code });
  return [
    refused('another version byte', put(0, [2]), 'CHANNEL_REJECTED'),
    refused('one byte too many', toBase64Url(Uint8Array.from([...header, 0])), 'CHANNEL_REJECTED'),
    refused('padded base64url', `${setupHeader}=`, 'CHANNEL_REJECTED'),
    refused('another principal', put(2, utf8('Billing')), 'CHANNEL_REJECTED'),
    refused('a client key that is not the principal’s', flipped(9), 'CHANNEL_REJECTED'),
    refused('another service', put(42, utf8('audit')), 'CHANNEL_REJECTED'),
    refused('a key id that nobody knows', flipped(47), 'CHANNEL_EXPIRED'),
    refused('a later expiry than was signed', flipped(70), 'CHANNEL_REJECTED'),
    refused('another encapsulated key', flipped(71), 'CHANNEL_REJECTED'),
    refused('a signature that leaves out the encapsulated key', put(103, signedOnlyInfo), 'CHANNEL_REJECTED'),
    refused('another signature', flipped(103), 'CHANNEL_REJECTED'),
    refused('over', setupHeader, 'CHANNEL_EXPIRED', now + 12 * HOUR),
  ];
}

function messageOf({ seeds, subject }, { requestKey, replyBase }, message) {
  const { requestId, deadlineMs, request, reply } = message;
  const salt = fromHex(seeds.replySalt);
  const counter = Number(reply.replyHeader.split(',')[1]);
  const aad = (direction, n, deadline, parts) =>
    hex(lengthPrefixed('keymesh/v1/channel', direction, subject, requestId, u64(n), deadline, parts));
  const nonce = (n) => hex(Buffer.concat([Buffer.alloc(4), u64(n)]));
  return {
    subject,
    requestId,
    deadlineMs,
    request: {
      ...request,
      key: hex(requestKey),
      nonce: nonce(request.sequence),
      aad: aad('request', request.sequence, u64(deadlineMs), request.partsHeader),
    },
    reply: {
      ...reply,
      key: hex(hkdf(replyBase, salt, 'keymesh/v1/channel/instance-reply-key')),
      nonce: nonce(counter),
      aad: aad('reply', counter, '', reply.partsHeader),
    },
  };
}
