import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, type Keymesh } from '@keymesh/client';
import { eventually, expectCode } from '@keymesh/testing';
import { readLog } from './support/audit-log.js';
import { killPart, meshStatus, recovered } from './support/kill.js';
import { holdPostgresDown, holdServiceDown, type Outage } from './support/outage.js';
import { connectOperator, enrolAs } from './support/principals.js';
import { startMesh, type RunningMesh } from './support/running-mesh.js';

// Promise 8 of DESIGN.md: partial failure degrades, it does not fall, and everything comes back by itself.
const KNOWN = 'degraded/known';
const UNREAD = 'degraded/never-read';
const SOON = { timeoutMs: 15_000 };
const value = `Dg1-${randomBytes(24).toString('base64url')}`;

let mesh: RunningMesh;
let operator: Keymesh;
let reader: Keymesh;
let outage: Outage | undefined;

beforeAll(async () => {
  mesh = await startMesh();
  const first = await connectOperator(mesh);
  operator = first.keymesh;
  reader = await connect({ profile: await enrolAs(mesh, first, 'degraded-reader', ['reader']) });
  for (const name of [KNOWN, UNREAD]) await operator.credentials.store({ name, type: 'api_key', value });
  await expectServed();
}, 150_000);
afterEach(async () => {
  await outage?.end();
  outage = undefined;
});
afterAll(async () => {
  await Promise.all([operator, reader].map((client) => client.close()));
  await mesh[Symbol.asyncDispose]();
}, 60_000);

/** The known credential comes, with its own value. @returns whether it was marked stale. */
async function served(client = reader): Promise<boolean> {
  using credential = await client.credentials.retrieve(KNOWN);
  expect(credential.text()).toBe(value);
  return credential.stale;
}
const expectServed = async (stale = false): Promise<void> => expect(await served()).toBe(stale);

describe('with Postgres away', () => {
  it('known credentials are served, marked stale in answer and record; nothing else is made up', async () => {
    outage = await holdPostgresDown(mesh);
    await eventually(() => expectServed(true), SOON);
    expect((await meshStatus(mesh)).services.postgres.state).not.toBe('running');
    await expectCode(reader.credentials.retrieve(UNREAD), 'STORE_UNAVAILABLE');
    await expectCode(reader.credentials.retrieve('degraded/none'), 'STORE_UNAVAILABLE');
    await expectCode(
      operator.credentials.store({ name: 'degraded/new', type: 'api_key', value }),
      'STORE_UNAVAILABLE',
    );
    // The decision is as strict as ever.
    await expectCode(reader.credentials.store({ name: 'degraded/new', type: 'api_key', value }), 'DENIED');
    for (let n = 0; n < 20; n += 1) await expectServed(true);
    const typed = await mesh.cli(['retrieve', KNOWN]);
    expect(typed).toMatchObject({ code: 0, stderr: expect.stringContaining('may be old') });
    expect(typed.stdout.toString()).toBe(value);

    await outage.end();
    await recovered(mesh);
    await eventually(() => expectServed(false), SOON);
    const { version } = await operator.credentials.store({ name: 'degraded/new', type: 'api_key', value });
    expect(version).toBe(1);
    await eventually(async () => {
      const stale = (await readLog(operator)).filter(
        ({ type, outcome, facts }) =>
          type === 'credential.retrieved' && outcome === 'success' && facts?.stale === true,
      );
      expect(stale.length).toBeGreaterThanOrEqual(21);
    }, SOON);
  }, 120_000);
});

describe('with the policy service away', () => {
  it('the last accepted bundle goes on deciding, for a vault that starts meanwhile too', async () => {
    outage = await holdServiceDown(mesh, 'policy');
    await expectServed();
    await expectCode(reader.credentials.store({ name: 'degraded/new', type: 'api_key', value }), 'DENIED');
    expect(
      await operator.credentials.store({
        name: KNOWN,
        type: 'api_key',
        value,
        expectedVersion: 1,
      }),
    ).toMatchObject({ version: 2 });

    const dead = await killPart(mesh, 'vault');
    await eventually(async () => {
      const { pid } = (await meshStatus(mesh)).services.vault;
      expect(pid !== undefined && pid !== dead).toBe(true);
    }, SOON);
    await eventually(() => expectServed(), { timeoutMs: 30_000 });
    await expectCode(reader.credentials.store({ name: 'degraded/new', type: 'api_key', value }), 'DENIED');
    expect((await meshStatus(mesh)).status).not.toBe('ready');

    await outage.end();
    await recovered(mesh);
    await expectServed();
    expect(await mesh.cli(['retrieve', KNOWN, '--profile', 'degraded-reader'])).toMatchObject({ code: 0 });
  }, 120_000);
});

describe('with the audit service and the detector away', () => {
  it('values go out all the same, for their records are in the journal, and get into the log later', async () => {
    const audit = await holdServiceDown(mesh, 'audit');
    const detector = await holdServiceDown(mesh, 'anomaly-detector');
    outage = {
      end: async () => {
        await Promise.all([audit.end(), detector.end()]);
      },
    };
    for (let n = 0; n < 10; n += 1) await expectServed();
    await outage.end();
    await recovered(mesh);
    await eventually(async () => {
      expect(await mesh.cli(['audit', 'verify'])).toMatchObject({ code: 0 });
      const reads = (await readLog(operator)).filter(
        ({ type, principal, outcome }) =>
          type === 'credential.retrieved' && principal === 'degraded-reader' && outcome === 'success',
      );
      // 1 before all, 21 and more while Postgres was away, some after each outage, 10 now.
      expect(reads.length).toBeGreaterThanOrEqual(35);
    }, SOON);
  }, 90_000);
});
