import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Keymesh } from '@keymesh/client';
import { makeSigningKey } from '@keymesh/kernel';
import { eventually } from '@keymesh/testing';
import { readLog } from './support/audit-log.js';
import { connectOperator, enrolAs } from './support/principals.js';
import { PYTHON } from './support/python.js';
import { REPOSITORY, run, startMesh, type CommandResult, type RunningMesh } from './support/running-mesh.js';

// docs/reference/channel.md is enough to write a client: apps/e2e/python was written from it, with nothing of ours, and asks a real mesh.
const FOLDER = join(REPOSITORY, 'apps/e2e/python');
const NAME = 'python/one';
const OTHER = 'python/two';
const value = randomBytes(2_000); // no text, so that a client that decodes it shows
const python = (script: string, ...args: readonly string[]): Promise<CommandResult> =>
  run(PYTHON, ['-B', join(FOLDER, script), ...args]);

let mesh: RunningMesh;
let operator: Keymesh;

beforeAll(async () => {
  mesh = await startMesh();
  const first = await connectOperator(mesh);
  operator = first.keymesh;
  await enrolAs(mesh, first, 'py-reader', ['reader']);
  await enrolAs(mesh, first, 'py-auditor', ['auditor']);
  await operator.credentials.store({ name: NAME, type: 'generic', value });
  await operator.credentials.store({ name: OTHER, type: 'generic', value: randomBytes(24) });
}, 300_000);
afterAll(async () => {
  await operator.close();
  await mesh[Symbol.asyncDispose]();
}, 120_000);

const retrieve = async (profile: string, ...names: readonly string[]) => {
  const result = await python('retrieve.py', join(mesh.home, 'profiles', `${profile}.json`), ...names);
  const lines = result.stdout.toString().split('\n').filter(Boolean);
  return { ...result, lines: lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
};

it('makes and checks every vector of docs/reference/vectors/channel.json', async () => {
  const result = await python('check_vectors.py', join(REPOSITORY, 'docs/reference/vectors/channel.json'));
  expect(result).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(result.stdout.toString())).toEqual({
    refusedStatements: 13,
    messages: 3,
    sealedRequests: 1,
    sessionRequests: 2,
  });
});

it('retrieves the exact bytes through the channel, several requests in one session', async () => {
  const { code, stderr, lines } = await retrieve('py-reader', NAME, OTHER, NAME);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const exact = { name: NAME, version: 1, value: value.toString('base64') };
  expect(lines).toEqual([
    { ...exact, sequence: 1 },
    expect.objectContaining({ name: OTHER, sequence: 2 }),
    { ...exact, sequence: 3 },
  ]);
  // And so did the vault see it: three reveals of one session, in the log under the name that the channel proved.
  await eventually(
    async () => {
      const reveals = (await readLog(operator)).filter(
        ({ type, principal }) => type === 'credential.retrieved' && principal === 'py-reader',
      );
      expect(reveals).toHaveLength(3);
      expect(new Set(reveals.map(({ session }) => session)).size).toBe(1);
    },
    { timeoutMs: 30_000 },
  );
}, 60_000);

it('reads a refusal inside the channel', async () => {
  expect((await retrieve('py-reader', 'python/none')).lines).toEqual([
    { name: 'python/none', error: 'CREDENTIAL_NOT_FOUND' },
  ]);
  expect((await retrieve('py-auditor', NAME)).lines).toEqual([{ name: NAME, error: 'DENIED' }]);
}, 60_000);

const issuerKey = generateKeyPairSync('ed25519').privateKey;
const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
/** SOURCE: RFC 7515 section 3.1. */
function makeToken(key: KeyObject = issuerKey): string {
  const now = Math.floor(Date.now() / 1_000);
  const claims = { iss: 'ci', aud: 'keymesh', sub: 'py-reader', iat: now, exp: now + 300 };
  const input = `${part({ alg: 'EdDSA' })}.${part(claims)}`;
  return `${input}.${sign(null, Buffer.from(input), key).toString('base64url')}`;
}

it('opens a session with a token by a sealed request, and retrieves with its keys', async () => {
  const { x } = issuerKey.export({ format: 'jwk' });
  const keys = { from: 'pinned', keys: [{ kty: 'OKP', crv: 'Ed25519', x }] };
  const identity = { kind: 'token', issuer: 'ci', audience: 'keymesh', claims: { sub: 'py-reader' }, keys };
  const file = async (name: string, content: string): Promise<string> => {
    await writeFile(join(mesh.home, name), content);
    return join(mesh.home, name);
  };
  const rule = await file('rule.json', JSON.stringify({ ruleId: 'py', principal: 'py-reader', identity }));
  expect(await mesh.cli(['identity-rule', 'put', rule])).toMatchObject({ code: 0 });
  const profile = JSON.parse(await readFile(join(mesh.home, 'profiles/py-reader.json'), 'utf8')) as Record<
    string,
    string
  >;
  const { natsUrl, meshId, meshPublicKey } = profile;
  const place = await file('place.json', JSON.stringify({ natsUrl, meshId, meshPublicKey }));
  const open = async (token: string): Promise<unknown> => {
    const session = join(mesh.home, 'profiles/py-session.json');
    const { code, stdout, stderr } = await python(
      'open_session.py',
      place,
      await file('token', token),
      session,
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return JSON.parse(stdout.toString());
  };
  expect(await open(makeToken(generateKeyPairSync('ed25519').privateKey))).toEqual({
    error: 'IDENTITY_REJECTED',
  });
  expect(await open(makeToken())).toMatchObject({ principal: 'py-reader' });
  const exact = { name: NAME, version: 1, value: value.toString('base64'), sequence: 1 };
  expect((await retrieve('py-session', NAME)).lines).toEqual([exact]);
}, 90_000);

it('opens no session to a key that another mesh key signed, and gets no authentic word with a stolen name', async () => {
  const profile = JSON.parse(await readFile(join(mesh.home, 'profiles/py-reader.json'), 'utf8')) as Record<
    string,
    string
  >;
  const write = (name: string, change: object): Promise<void> =>
    writeFile(join(mesh.home, 'profiles', `${name}.json`), JSON.stringify({ ...profile, ...change }));
  const { key, seed } = makeSigningKey();
  await write('py-other-mesh', { meshPublicKey: key.publicKeyText });
  expect(await retrieve('py-other-mesh', NAME)).toMatchObject({
    code: 1,
    lines: [],
    stderr: expect.stringContaining('no key of the service is vouched for'),
  });
  // EXPOSE: a channel key that nobody enrolled, for the profile of this spec.
  await write('py-thief', { channelSeed: Buffer.from(seed.expose()).toString('base64url') });
  expect((await retrieve('py-thief', NAME)).lines).toEqual([
    { name: NAME, unauthenticated: expect.stringMatching(/^CHANNEL_REJECTED/) },
  ]);
}, 60_000);
