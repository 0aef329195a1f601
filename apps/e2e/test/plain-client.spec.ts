import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { PYTHON } from './support/python.js';
import { REPOSITORY, run, startMesh, type RunningMesh } from './support/running-mesh.js';

let mesh: RunningMesh;
const value = `Ak1-${randomBytes(24).toString('base64url')}`;

beforeAll(async () => {
  mesh = await startMesh();
  await mesh.cli(['store', 'alpha-vantage'], { input: value });
  for (const [name, ...roles] of [
    ['py-billing', 'reader', 'plain-reply'],
    ['py-strict', 'reader'],
  ] as const) {
    const token = (
      await mesh.cli(['principal', 'create', name, ...roles.flatMap((role) => ['--role', role])])
    ).stdout
      .toString()
      .trim();
    await mesh.cli(['enrol', '--token', token]);
  }
}, 120_000);
afterAll(async () => {
  await mesh[Symbol.asyncDispose]();
}, 60_000);

const ask = (profile: string, name: string) =>
  run(PYTHON, [
    join(REPOSITORY, 'examples/plain_client.py'),
    join(mesh.home, 'profiles', `${profile}.json`),
    name,
  ]);

it('a plain nats-py client with the role plain-reply gets the exact bytes', async () => {
  const result = await ask('py-billing', 'alpha-vantage');
  expect(result).toMatchObject({ code: 0, stderr: '' });
  expect(result.stdout.toString()).toBe(value);
});

it('gets errors in NATS service-error headers', async () => {
  expect(await ask('py-billing', 'no-such-name')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^CREDENTIAL_NOT_FOUND: .* \(404\)\n$/),
  });
});

it('without the role the value never goes out plain', async () => {
  const result = await ask('py-strict', 'alpha-vantage');
  expect(result).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^CHANNEL_REQUIRED: .* \(401\)\n$/),
  });
  expect(result.stdout).toHaveLength(0);
});
