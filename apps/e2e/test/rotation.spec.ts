import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Keymesh } from '@keymesh/client';
import { listRotations } from '@keymesh/contracts';
import { eventually } from '@keymesh/testing';
import { DATABASE, openMeshDatabase, type MeshDatabase } from './support/database.js';
import { killPart, recovered } from './support/kill.js';
import { startLoginProxy, type LoginProxy } from './support/login-proxy.js';
import { connectOperator, enrolAs } from './support/principals.js';
import { REPOSITORY, startMesh, type CommandResult, type RunningMesh } from './support/running-mesh.js';

// Promise 5 of DESIGN.md: there is always a working version, whatever dies on the way, and consumers follow by themselves.
const WRONG_PASSWORD = '28P01';
const PATIENCE = { timeoutMs: 40_000 };

let mesh: RunningMesh;
let operator: Keymesh;
let database: MeshDatabase;

beforeAll(async () => {
  mesh = await startMesh({
    env: { KEYMESH_ROTATION_SCHEDULE_POLL_SECONDS: '1', KEYMESH_ROTATION_LEASE_SECONDS: '4' },
  });
  const first = await connectOperator(mesh);
  operator = first.keymesh;
  await enrolAs(mesh, first, 'rotating-service', ['reader']);
  database = await openMeshDatabase(mesh);
}, 150_000);
afterAll(async () => {
  await operator.close();
  await mesh[Symbol.asyncDispose]();
}, 60_000);

const text = ({ stdout }: CommandResult): string => stdout.toString('utf8');

/** A role of its own, and the credential that holds its password. @returns the password. */
async function storeRole(role: string, port = database.port, every = '0'): Promise<string> {
  const password = `Pw9!${randomBytes(18).toString('base64url')}`;
  await database.admin(`CREATE ROLE ${role} LOGIN PASSWORD '${password}'`);
  const settings = [`host=127.0.0.1`, `port=${String(port)}`, `database=${DATABASE}`];
  const result = await mesh.cli(
    [
      ...['store', `db/${role}`, '--type', 'username_password', '--username', role],
      ...['--rotation', 'postgres-role', '--rotate-every', every],
      ...settings.flatMap((setting) => ['--rotation-setting', setting]),
    ],
    { input: password },
  );
  expect(result).toMatchObject({ code: 0 });
  return password;
}

const currentOf = async (name: string): Promise<{ version: number; password: string }> => {
  using credential = await operator.credentials.retrieve(name);
  return { version: credential.version, password: credential.text() };
};

describe('the password of a Postgres role', () => {
  it('is another after keymesh rotate: the new one logs in, the old one does not', async () => {
    const old = await storeRole('app_one');
    expect(await database.logIn('app_one', old)).toBe('ok');
    const rotated = await mesh.cli(['rotate', 'db/app_one', '--json']);
    expect(rotated).toMatchObject({ code: 0 });
    expect(JSON.parse(text(rotated))).toMatchObject({ state: 'done', version: 2 });
    const { version, password } = await currentOf('db/app_one');
    expect(version).toBe(2);
    expect(password).not.toBe(old);
    expect(await database.logIn('app_one', password)).toBe('ok');
    expect(await database.logIn('app_one', old)).toBe(WRONG_PASSWORD);
    expect(text(await mesh.cli(['retrieve', 'db/app_one', '--stage', 'previous']))).toBe(old);
    expect(text(await mesh.cli(['retrieve', 'db/app_one', '--part', 'username']))).toBe('app_one');
  }, 60_000);

  it('is rotated by schedule, and works each time', async () => {
    const first = await storeRole('app_two', database.port, '2');
    await eventually(async () => {
      const { version, password } = await currentOf('db/app_two');
      expect(version).toBeGreaterThanOrEqual(3);
      expect(await database.logIn('app_two', password)).toBe('ok');
    }, PATIENCE);
    expect(await database.logIn('app_two', first)).toBe(WRONG_PASSWORD);
    // No more of it: the specs after this one share the two processors.
    expect(await mesh.cli(['delete', 'db/app_two'])).toMatchObject({ code: 0 });
  }, 60_000);

  it('that the role has not got is left alone: the rotation fails, and the stored one stays current', async () => {
    await storeRole('app_three');
    await database.admin(`ALTER ROLE app_three PASSWORD 'changed-by-hand'`);
    const failed = await mesh.cli(['rotate', 'db/app_three']);
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringMatching(/^ROTATION_FAILED/) });
    expect((await currentOf('db/app_three')).version).toBe(1);
    expect(await database.logIn('app_three', 'changed-by-hand')).toBe('ok');
  }, 60_000);
});

describe('kill -9 of the rotation service', () => {
  let proxy: LoginProxy | undefined;
  afterAll(() => proxy?.close());

  it('between the change at the server and anybody knowing of it: it is resumed, and the new password is the one', async () => {
    proxy = await startLoginProxy(database.port);
    const old = await storeRole('app_four', proxy.port);
    proxy.keepBackAnswersTo('ALTER ROLE');
    const asked = operator.credentials.rotate('db/app_four', { deadlineMs: 2_000 }).catch(() => undefined);
    await proxy.seen;
    await eventually(
      async () => expect(await database.logIn('app_four', old)).toBe(WRONG_PASSWORD),
      PATIENCE,
    );
    const dead = await killPart(mesh, 'rotation');
    proxy.letThrough();
    await asked;
    await recovered(mesh, dead === undefined ? [] : [dead]);
    await eventually(async () => {
      const { rotations } = await operator.call(listRotations, { name: 'db/app_four' });
      expect(rotations).toMatchObject([{ state: 'done', version: 2 }]);
    }, PATIENCE);
    const { version, password } = await currentOf('db/app_four');
    expect(version).toBe(2);
    expect(await database.logIn('app_four', password)).toBe('ok');
  }, 90_000);
});

describe('a service that uses a credential', () => {
  let service: ChildProcess | undefined;
  afterAll(async () => {
    if (service === undefined || service.exitCode !== null) return;
    const ended = once(service, 'exit');
    service.kill('SIGTERM');
    await ended;
  });

  it('goes on answering through a rotation, and signs with the new version without a restart', async () => {
    await operator.credentials.store({
      name: 'billing/session-key',
      type: 'api_key',
      generate: {},
      rotation: { adapter: 'generated', intervalSeconds: 0 },
    });
    service = spawn(
      process.execPath,
      [join(REPOSITORY, 'examples/rotating-service/service.mjs'), 'billing/session-key'],
      {
        env: {
          ...process.env,
          NODE_OPTIONS: '',
          KEYMESH_HOME: mesh.home,
          KEYMESH_PROFILE: 'rotating-service',
        },
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    let output = '';
    service.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
    const url = await eventually(() => {
      const found = /listening on (http:\S+)/.exec(output)?.[1];
      if (found === undefined) throw new Error(`the service does not listen: ${output}`);
      return found;
    }, PATIENCE);
    const answers: number[] = [];
    const ask = async (): Promise<number> => {
      const reply = await fetch(url);
      expect(reply.status).toBe(200);
      const { version, signature } = (await reply.json()) as { version: number; signature: string };
      expect(signature).toMatch(/^[0-9a-f]{64}$/);
      answers.push(version);
      return version;
    };
    expect(await ask()).toBe(1);
    const rotated = operator.credentials.rotate('billing/session-key');
    await eventually(async () => expect(await ask()).toBe(2), PATIENCE);
    expect(await rotated).toMatchObject({ state: 'done', version: 2 });
    // In order: never back to the old one.
    expect(answers).toEqual([...answers].sort((a, b) => a - b));
  }, 60_000);
});
