import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, type Keymesh } from '@keymesh/client';
import { listFindings, SERVICES, type AuditRecord } from '@keymesh/contracts';
import { eventually, expectCode } from '@keymesh/testing';
import { readLog } from './support/audit-log.js';
import { fsckLedger, fsckVault } from './support/fsck.js';
import { meshStatus, recovered } from './support/kill.js';
import { holdServiceDown, type Outage } from './support/outage.js';
import { connectOperator, enrolAs } from './support/principals.js';
import { startMesh, type RunningMesh } from './support/running-mesh.js';

const NAME = 'away/known';
const value = `Pa1-${randomBytes(24).toString('base64url')}`;
// Longer than a bundle may go without being vouched for before it alarms.
const HELD_DOWN_MS = 75_000;

let mesh: RunningMesh;
let first: Awaited<ReturnType<typeof connectOperator>>;
let reader: Keymesh;
let outage: Outage | undefined;

beforeAll(async () => {
  mesh = await startMesh();
  first = await connectOperator(mesh);
  reader = await connect({ profile: await enrolAs(mesh, first, 'away-reader', ['reader']) });
  await first.keymesh.credentials.store({ name: NAME, type: 'api_key', value });
}, 150_000);
afterEach(async () => {
  await outage?.end();
  outage = undefined;
});
afterAll(async () => {
  await Promise.all([first.keymesh, reader].map((client) => client.close()));
  await mesh[Symbol.asyncDispose]();
}, 60_000);

const read = async (client = reader): Promise<void> => {
  using credential = await client.credentials.retrieve(NAME);
  expect(credential.text()).toBe(value);
};
const services = (records: readonly AuditRecord[], type: string): string[] =>
  [...new Set(records.filter((record) => record.type === type).map(({ service }) => service))].sort();

describe('the policy service, killed again and again for longer than a minute', () => {
  it('is missed by nobody who is connected; who wants to enrol waits; it is alarmed, recorded, and over by itself', async () => {
    await read();
    outage = await holdServiceDown(mesh, 'policy');
    const until = Date.now() + HELD_DOWN_MS;
    const enrolling = eventually(() => enrolAs(mesh, first, 'away-latecomer', ['reader']), {
      timeoutMs: HELD_DOWN_MS + 60_000,
    });
    let enrolledAt: number | undefined;
    void enrolling.then(() => (enrolledAt = Date.now())).catch(() => undefined);
    let reads = 0;
    while (Date.now() < until) {
      await read();
      reads += 1;
      await expectCode(reader.credentials.store({ name: NAME, type: 'api_key', value }), 'DENIED');
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    expect(reads).toBeGreaterThan(20);
    expect(enrolledAt).toBeUndefined();
    const { status, services: parts } = await meshStatus(mesh);
    expect(status).not.toBe('ready');
    // The vault itself says what is wrong: it serves, and does not know whether by the newest bundle.
    const ask = async (path: string): Promise<string> =>
      (await fetch(`http://127.0.0.1:${String(parts.vault.httpPort)}${path}`)).text();
    const { checks } = JSON.parse(await ask('/health/ready')) as {
      checks: { policy: { status: string; facts: { attestationAgeSeconds: number } } };
    };
    expect(checks.policy.status).toBe('degraded');
    expect(checks.policy.facts.attestationAgeSeconds).toBeGreaterThan(60);
    const age = /keymesh_policy_attestation_age_seconds\{[^}]*\} ([\d.]+)/.exec(await ask('/metrics'))?.[1];
    expect(Number(age)).toBeGreaterThan(60);

    const endedAt = Date.now();
    await outage.end();
    await recovered(mesh);
    const latecomer = await connect({ profile: await enrolling });
    expect(enrolledAt).toBeGreaterThanOrEqual(endedAt);
    await read(latecomer);
    await latecomer.close();
    await read();

    // Every service but policy asks, and each says it once.
    const asking = SERVICES.filter((service) => service !== 'policy').sort();
    await eventually(
      async () => {
        const records = await readLog(first.keymesh);
        expect(services(records, 'policy-bundle.unattested')).toEqual(asking);
        expect(services(records, 'policy-bundle.attested')).toEqual(asking);
        expect(records.filter(({ type }) => type === 'policy-bundle.unattested')).toHaveLength(asking.length);
      },
      { timeoutMs: 30_000 },
    );
    await eventually(
      async () => {
        const { findings } = await first.keymesh.call(listFindings, { limit: 500 });
        const found = findings.filter(({ kind }) => kind === 'policy-bundle-unattested');
        expect(found.map(({ principal }) => principal).sort()).toEqual(asking.map((name) => `_${name}`));
      },
      { timeoutMs: 30_000 },
    );
    for (const checked of [
      await fsckLedger(mesh),
      await fsckVault(mesh),
      await mesh.cli(['audit', 'verify']),
    ])
      expect(checked).toMatchObject({ code: 0 });
  }, 400_000);
});

describe('keymesh credential-policy', () => {
  const type = (...args: string[]) => mesh.cli(['credential-policy', ...args]);
  const store = (password: string) =>
    first.keymesh.credentials.store({
      name: 'away/login',
      type: 'username_password',
      values: { username: 'somebody', password },
      expectedVersion: 'any',
    });
  const PASSWORD = 'gT7#mQ2!xK9$';

  it('writes one, which holds for the next store; tells who wrote what; rolls back; takes it back', async () => {
    await store(PASSWORD);
    const file = join(mesh.home, 'credential-policy.json');
    await writeFile(file, '{"defaults":{"minLenghtChars":20}}');
    for (const verb of ['validate', 'put'])
      expect(await type(verb, file)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('unknown field minLenghtChars'),
      });
    await writeFile(file, '{"defaults":{"minLengthChars":20}}');
    expect(await type('validate', file)).toMatchObject({ code: 0 });
    const put = await type('put', file);
    expect(put).toMatchObject({ code: 0 });
    expect(put.stdout.toString()).toMatch(/in force.*\n[1-9]\d* instances go by it after \d+ ms/);
    await expectCode(store(PASSWORD), 'CREDENTIAL_WEAK');
    expect((await type('show')).stdout.toString()).toBe('{"defaults":{"minLengthChars":20}}\n');

    await writeFile(file, '{"defaults":{"minLengthChars":12}}');
    expect(await type('put', file)).toMatchObject({ code: 0 });
    await store(PASSWORD);
    expect(await type('rollback')).toMatchObject({ code: 0 });
    await expectCode(store(PASSWORD), 'CREDENTIAL_WEAK');
    expect(await type('remove')).toMatchObject({ code: 0 });
    await store(PASSWORD);
    const history = JSON.parse((await type('history', '--json')).stdout.toString()) as {
      history: { document: string | null; setBy: string }[];
    };
    expect(history.history.map(({ document }) => document)).toEqual([
      null,
      '{"defaults":{"minLengthChars":20}}',
      '{"defaults":{"minLengthChars":12}}',
      '{"defaults":{"minLengthChars":20}}',
    ]);
    expect(await type('show')).toMatchObject({ code: 0, stderr: expect.stringContaining('There is none') });
    expect(await type('put', file, '--profile', 'away-reader')).toMatchObject({ code: 3 });
  }, 240_000);
});
