import { randomInt } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it, jest } from '@jest/globals';
import {
  importChannelKey,
  makeAcceptor,
  makeChannelKeyPair,
  openSession,
  readChannelKey,
  signChannelKey,
} from '@keymesh/channel';
import {
  decodeFrame,
  encodeFrame,
  parseMessage,
  partsHeader,
  retrieveCredential,
  storeCredential,
  type ErrorCode,
  type TrustRoot,
} from '@keymesh/contracts';
import { HOUR, KeymeshError, makeSigningKey, Secret, utf8 } from '@keymesh/kernel';
import { decodePack, encodePack, isEventSignedBy, signEvents } from '@keymesh/mesh';
import {
  BUILT_IN_POLICIES,
  enrolmentIdOf,
  makeEnrolmentToken,
  openBundle,
  readApproval,
  readEnrolmentToken,
  readStatement,
  signApproval,
  signBundle,
  signStatement,
} from '@keymesh/policy-engine';
import fc from 'fast-check';
import { makeTestClock } from './clock.js';

// Everything that reads what a client or a broker sends: whatever comes, the answer is a code of the catalogue (or a plain no), soon, and nothing of it stays
// in memory. KEYMESH_SEED=<seed> runs the same inputs again; a failure prints it.
const SEED = Number(process.env.KEYMESH_SEED ?? randomInt(2 ** 31));
/** Inputs a decoder; all together more than 100,000. */
const RUNS = 11_000;
const MAX_GROWTH_BYTES = 24 * 2 ** 20;
const MAX_CPU_MS = 3_000; // for one input of 900 KiB, on any machine
const KIB = 1_024;
jest.setTimeout(300_000);

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const heapBytes = (): number => {
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
};

/** What a decoder says of an input: `read`, `no`, a code of the catalogue, or the name of a crash. */
async function outcomeOf(decode: (input: Uint8Array) => unknown, input: Uint8Array): Promise<string> {
  try {
    const result = await decode(input);
    return result === undefined || result === false ? 'no' : 'read';
  } catch (error) {
    return KeymeshError.is(error) ? error.code : `not ours: ${String(error)}`;
  }
}

type Edit = readonly [kind: number, at: number, byte: number, size: number];

/** A valid input, spoiled: bytes flipped, put in, taken out, repeated, or the end cut off. */
function spoil(valid: Uint8Array, edits: readonly Edit[]): Uint8Array {
  let bytes = Buffer.from(valid);
  for (const [kind, where, byte, size] of edits) {
    const at = where % (bytes.length + 1);
    const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
    if (kind === 0) bytes = Buffer.concat([before, Buffer.of(byte), after.subarray(1)]);
    else if (kind === 1) bytes = Buffer.concat([before, Buffer.of(byte), after]);
    else if (kind === 2) bytes = Buffer.concat([before, after.subarray(size)]);
    else if (kind === 3) bytes = Buffer.concat([before, after.subarray(0, size), after]);
    else bytes = Buffer.from(before);
  }
  return Uint8Array.from(bytes);
}

const edits = fc.array(
  fc.tuple(fc.nat({ max: 4 }), fc.nat({ max: 4_000 }), fc.nat({ max: 255 }), fc.nat({ max: 40 })),
  { minLength: 1, maxLength: 6 },
);

/** What has hurt readers of other formats. The large ones come once each. */
const NASTY: readonly (string | Uint8Array)[] = [
  '',
  '{',
  'null',
  '[]',
  '""',
  '{"__proto__":{"polluted":true}}',
  '{"constructor":{"prototype":{"polluted":true}}}',
  '{"name":"a","name":"b"}',
  '{"name":"a","\\u006eame":"b"}',
  '{"name":1e400}',
  '{"name":-0}',
  '{"name":"\\ud800"}',
  '{"$part":1}',
  '{"name":{"$part":-1}}',
  '\u0000',
  '\ufeff{}',
  '.'.repeat(900 * KIB),
  '['.repeat(900 * KIB),
  '{"a":'.repeat(180 * KIB),
  `"${'\\u0041'.repeat(150 * KIB)}"`,
  `{${Array.from({ length: 60_000 }, (_, at) => `"k${String(at)}":0`).join(',')}}`,
  'A'.repeat(900 * KIB),
  `km${'A'.repeat(900 * KIB)}`,
  '9'.repeat(900 * KIB),
  Uint8Array.from({ length: 900 * KIB }, () => 0xff),
  Uint8Array.of(0xc0, 0xaf),
  Uint8Array.of(0xed, 0xa0, 0x80),
  Uint8Array.of(0xf8, 0x88, 0x80, 0x80, 0x80),
  Uint8Array.from([...utf8('KMJ1'), 0xff, 0xff, 0xff, 0xff]),
];

interface Decoder {
  readonly valid: Uint8Array;
  readonly decode: (input: Uint8Array) => unknown;
  /** What else it may say than `read` and `no`. */
  readonly codes: readonly ErrorCode[];
}

async function attack({ valid, decode, codes }: Decoder): Promise<void> {
  const allowed = new Set<string>(['read', 'no', ...codes]);
  // The control: as it stands it is read, so that what is spoiled comes deep enough.
  expect(await outcomeOf(decode, valid)).toBe('read');
  for (const nasty of NASTY) {
    const before = process.cpuUsage();
    const outcome = await outcomeOf(decode, typeof nasty === 'string' ? utf8(nasty) : nasty);
    expect(process.cpuUsage(before).user / 1_000).toBeLessThan(MAX_CPU_MS);
    expect([...allowed]).toContain(outcome);
  }
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  const seen = new Map<string, number>();
  let before = 0;
  let count = 0;
  const property = fc.asyncProperty(fc.oneof(edits, fc.uint8Array({ maxLength: 300 })), async (change) => {
    const input = change instanceof Uint8Array ? change : spoil(valid, change);
    const outcome = await outcomeOf(decode, input);
    seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
    // After a tenth all caches are warm.
    if (++count === RUNS / 10) before = heapBytes();
    return allowed.has(outcome);
  });
  await fc.assert(property, { seed: SEED, numRuns: RUNS });
  expect(heapBytes() - before).toBeLessThan(MAX_GROWTH_BYTES);
  // Most inputs are refused, or this were no fuzzing.
  expect((seen.get('read') ?? 0) / RUNS).toBeLessThan(0.5);
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
const clock = makeTestClock();
const publicText = makeSigningKey().key.publicKeyText;

describe(`with seed ${String(SEED)}`, () => {
  it('the frame of a message', async () => {
    const frame = encodeFrame({ name: 'a/b', values: { value: new Secret(utf8('0123'), 'fuzz') } });
    const header = utf8(`${partsHeader(frame)}\n`);
    await attack({
      valid: Uint8Array.from([...header, ...frame.body]),
      // The header stands before the first newline.
      decode: (input) => {
        const end = input.indexOf(0x0a);
        return decodeFrame(end < 0 ? undefined : text(input.subarray(0, end)), input.subarray(end + 1));
      },
      codes: ['MALFORMED_MESSAGE'],
    });
  });

  it.each([
    ['retrieve', retrieveCredential, { name: 'a/b', version: 3 }],
    ['store', storeCredential, { name: 'a/b', type: 'api_key', generate: { lengthChars: 20 }, tags: ['x'] }],
  ] as const)('a whole request: %s', async (_what, { request }, message) => {
    await attack({
      valid: encodeFrame(message).body,
      decode: (input) => parseMessage(request, decodeFrame(undefined, input)),
      codes: ['MALFORMED_MESSAGE', 'BAD_REQUEST', 'CREDENTIAL_NAME_INVALID'],
    });
  });

  it('the statement of a channel key, a set-up, a request and a reply', async () => {
    const mesh = makeSigningKey().key;
    const client = makeSigningKey().key;
    const { publicKey, privateKey } = await makeChannelKeyPair();
    const notBefore = clock.now();
    const signed = signChannelKey(
      { service: 'vault', publicKey, notBefore, notAfter: notBefore + HOUR },
      mesh,
    );
    const read = (statement: string) => readChannelKey(statement, mesh.publicKeyText, 'vault', clock.now());
    await attack({ valid: utf8(signed), decode: (input) => read(text(input)), codes: [] });

    const service = read(signed);
    if (service === undefined) throw new Error('the statement just signed does not read');
    const key = await importChannelKey(service, privateKey);
    const acceptor = makeAcceptor({
      service: 'vault',
      privateKey: () => key,
      isChannelKeyOf: (principal, own) => principal === 'billing' && own === client.publicKeyText,
      clock,
    });
    const session = await openSession({ principal: 'billing', signingKey: client, service, clock });
    await attack({
      valid: utf8(session.setupHeader),
      decode: async (input) => acceptor.known(text(input)) ?? (await acceptor.accept(text(input))),
      codes: ['CHANNEL_REJECTED', 'CHANNEL_EXPIRED'],
    });

    const accepted = await acceptor.accept(session.setupHeader);
    const binding = { subject: 's', requestId: 'r', partsHeader: '2' };
    const request = session.encryptRequest({ ...binding, deadlineMs: 1, body: utf8('{}') });
    await attack({
      valid: request.body,
      decode: (body) =>
        accepted.decryptRequest({ ...binding, deadlineMs: 1, sequence: request.sequence, body }),
      codes: ['CHANNEL_REJECTED', 'REPLAYED'],
    });
    const reply = accepted.encryptReply({ ...binding, body: utf8('{}') });
    await attack({
      valid: utf8(reply.replyHeader),
      decode: (input) => session.decryptReply({ ...binding, replyHeader: text(input), body: reply.body }),
      codes: ['CHANNEL_REJECTED', 'REPLAYED'],
    });
  });

  it('a journal pack, and the signature of an event', async () => {
    const { key } = makeSigningKey();
    const createdAt = new Date(clock.now()).toISOString();
    const header = {
      producer: 'vault',
      instance: 'i',
      sequence: 1,
      previous: '0'.repeat(64),
      createdAt,
    } as const;
    const record = { leaf: utf8('{"v":1}'), beside: utf8('{"name":"x"}') };
    await attack({
      valid: encodePack(header, [record, record], key),
      decode: decodePack,
      codes: ['MALFORMED_MESSAGE'],
    });
    const event = { subject: 's', id: 'i', bytes: utf8('{}') };
    const [signature = ''] = signEvents([event, { ...event, id: 'j' }, { ...event, id: 'k' }], key);
    await attack({
      valid: utf8(signature),
      decode: (input) => isEventSignedBy([key.publicKeyText], { ...event, signature: text(input) }),
      codes: [],
    });
  });

  it('a statement, an enrolment token and a policy bundle', async () => {
    const operator = makeSigningKey().key;
    const bundleKey = makeSigningKey().key;
    const now = new Date(clock.now()).toISOString();
    const statement = signStatement(
      {
        v: 1,
        meshId: 'm',
        statementId: enrolmentIdOf(publicText),
        issuedAt: now,
        issuer: 'operator',
        type: 'principal.status-set',
        principal: 'billing',
        status: 'disabled',
      },
      operator,
    );
    await attack({
      valid: utf8(statement),
      decode: (input) => readStatement(text(input)),
      codes: ['STATEMENT_REJECTED'],
    });

    const approval = signApproval(
      {
        v: 1,
        meshId: 'm',
        approvalId: enrolmentIdOf(publicText),
        request: { principal: 'billing', action: 'retrieve', resource: { kind: 'credential', id: 'c1' } },
        approver: 'operator',
        issuedAt: now,
        expiresAt: now,
      },
      operator,
    );
    await attack({
      valid: utf8(approval),
      decode: (input) => readApproval(text(input)),
      codes: ['STATEMENT_REJECTED'],
    });

    const { token } = makeEnrolmentToken({ principal: 'billing', meshPublicKey: publicText });
    // EXPOSE: a token of no mesh, to spoil it.
    const valid = Uint8Array.from(token.expose());
    await attack({
      valid,
      decode: (input) => readEnrolmentToken(text(input)),
      codes: ['ENROLMENT_REJECTED'],
    });

    const trustRoot: TrustRoot = {
      v: 1,
      meshId: 'm',
      meshPublicKey: publicText,
      bundlePublicKey: bundleKey.publicKeyText,
      operators: [{ name: 'operator', channelKey: operator.publicKeyText }],
    };
    const policies = BUILT_IN_POLICIES.map(({ id, cedar }) => ({ id, cedar }));
    const bundle = {
      v: 1,
      meshId: 'm',
      version: 1,
      issuedAt: now,
      statements: [],
      policies,
      taken: [],
    } as const;
    await attack({
      valid: signBundle({ ...bundle, statements: [], policies, taken: [] }, bundleKey),
      decode: (input) => openBundle(input, trustRoot, { clock }),
      codes: ['POLICY_UNAVAILABLE', 'STATEMENT_REJECTED'],
    });
  });
});
