import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, type Keymesh, type Profile } from '@keymesh/client';
import { prepareVersion, type AnomalyFinding, type Role } from '@keymesh/contracts';
import { eventually, expectCode } from '@keymesh/testing';
import { readLog } from './support/audit-log.js';
import { connectOperator, enrolAs } from './support/principals.js';
import { startMesh, type RunningMesh } from './support/running-mesh.js';
import { connectSiem, type Siem } from './support/siem.js';

// A planted burst of denials is found, told and answered; the SIEM gets one event an operation, without a gap.
const BURST = 15;
const DETECTION = { timeoutMs: 20_000 };

let mesh: RunningMesh;
let operator: Keymesh;
let burster: Keymesh;
let calm: Keymesh;
let siem: Siem;

beforeAll(async () => {
  mesh = await startMesh();
  const first = await connectOperator(mesh);
  operator = first.keymesh;
  const enrol = (name: string, roles: readonly Role[]): Promise<Profile> => enrolAs(mesh, first, name, roles);
  siem = await connectSiem(await enrol('my-siem', ['siem']));
  burster = await connect({ profile: await enrol('burster', ['reader']) });
  calm = await connect({ profile: await enrol('calm', ['reader']) });
  await operator.credentials.store({ name: 'wanted', type: 'api_key', generate: {} });
}, 150_000);
afterAll(async () => {
  await Promise.all([operator, burster, calm, siem].map((client) => client.close()));
  await mesh[Symbol.asyncDispose]();
}, 60_000);

const denials = async (work: () => Promise<unknown>): Promise<void> => {
  for (let n = 0; n < BURST; n += 1)
    await work().then(
      () => expect('a denial').toBe('it succeeded'),
      () => undefined, // at the end it may be the lock that refuses
    );
};
const burstOf = (principal: string): AnomalyFinding | undefined =>
  siem.findings
    .map(({ finding }) => finding)
    .find((finding) => finding.kind === 'denied-burst' && finding.principal === principal);
const retrieve = async (client: Keymesh): Promise<void> => {
  (await client.credentials.retrieve('wanted', { deadlineMs: 3_000 })).dispose();
};

describe('a burst of denials by one principal', () => {
  it('is a finding on the alert subject', async () => {
    await retrieve(burster);
    await denials(() => burster.credentials.store({ name: 'not-mine', type: 'api_key', generate: {} }));
    const finding = await eventually(() => {
      expect(burstOf('burster')).toBeDefined();
      return burstOf('burster');
    }, DETECTION);
    expect(finding).toMatchObject({ kind: 'denied-burst', principal: 'burster' });
    const subject = siem.findings.find(({ finding: { principal } }) => principal === 'burster')?.subject;
    expect(siem.findings.map((told) => told.subject)).toContain(
      `keymesh.v1.alert.${finding?.severity}.denied-burst`,
    );
    expect(subject).toMatch(/^keymesh\.v1\.alert\./);
  }, 40_000);

  it('is listed by keymesh findings, with what was done about it', async () => {
    await eventually(async () => {
      const result = await mesh.cli(['findings', '--json']);
      const text = result.stdout.toString();
      const findings = JSON.parse(text) as AnomalyFinding[];
      const found = findings.find(
        ({ kind, principal }) => kind === 'denied-burst' && principal === 'burster',
      );
      expect(found?.response).toMatch(/^locked until /);
    }, DETECTION);
  }, 40_000);

  it('locks that principal out, and nobody else', async () => {
    await eventually(() => expectCode(retrieve(burster), 'PRINCIPAL_LOCKED'), DETECTION);
    await retrieve(calm);
    await retrieve(operator);
    // A new connection of the locked one gets no further.
    const again = await mesh.cli(['retrieve', 'wanted', '--profile', 'burster']);
    expect(again.code).toBe(3);
    expect(again.stdout).toHaveLength(0);
  }, 40_000);

  it('is over when an operator unlocks it', async () => {
    expect(await mesh.cli(['principal', 'unlock', 'burster'])).toMatchObject({ code: 0 });
    await eventually(() => retrieve(burster), DETECTION);
  }, 40_000);

  it('by an operator is a finding too, and never a lock', async () => {
    const { credentialId } = await operator.credentials.describe('wanted');
    // Only the rotation service may.
    await denials(() => operator.call(prepareVersion, { credentialId, rotationId: randomUUID() }));
    await eventually(() => expect(burstOf('operator')).toBeDefined(), DETECTION);
    await eventually(async () => {
      const result = await mesh.cli(['findings', '--json']);
      const findings = JSON.parse(result.stdout.toString()) as AnomalyFinding[];
      const found = findings.find(
        ({ kind, principal }) => kind === 'denied-burst' && principal === 'operator',
      );
      expect(found?.response).toBe('not locked: operators never are');
    }, DETECTION);
    await retrieve(operator);
  }, 60_000);

  it('raises its risk, which policies read: above their limit it gets nothing, and whoever is calm does', async () => {
    const file = join(mesh.home, 'risky.cedar');
    const when = 'context has risk && context.risk >= 40';
    await writeFile(
      file,
      `@id("risky")\nforbid(principal, action == Keymesh::Action::"retrieve", resource) when { ${when} };\n`,
    );
    expect(await mesh.cli(['policy', 'put', file])).toMatchObject({ code: 0 });
    await eventually(() => expectCode(retrieve(operator), 'DENIED'), DETECTION);
    await retrieve(calm);
    const denied = await eventually(async () => {
      const found = (await readLog(operator)).findLast(
        ({ type, principal, outcome }) =>
          type === 'credential.retrieved' && principal === 'operator' && outcome === 'denied',
      );
      expect(found).toBeDefined();
      return found;
    }, DETECTION);
    expect(denied?.decision?.determiningPolicies).toEqual(['policy.risky']);
    expect(denied?.decision?.request.context.risk).toBeGreaterThanOrEqual(40);
    expect(await mesh.cli(['policy', 'remove', 'risky'])).toMatchObject({ code: 0 });
    await eventually(() => retrieve(operator), DETECTION);
  }, 90_000);
});

describe('the SIEM', () => {
  it('heard one event of each record, live, without a gap', async () => {
    const from = siem.events[0]?.logIndex ?? -1;
    await retrieve(calm);
    const last =
      (
        await eventually(async () => {
          const found = (await readLog(operator)).findLast(
            ({ type, principal }) => type === 'credential.retrieved' && principal === 'calm',
          );
          expect(found).toBeDefined();
          return found;
        }, DETECTION)
      )?.logIndex ?? -1;
    await eventually(() => expect(siem.events.at(-1)?.logIndex).toBeGreaterThanOrEqual(last), DETECTION);
    expect(siem.events.map(({ logIndex }) => logIndex)).toEqual(siem.events.map((_, at) => from + at));
    const byIndex = new Map((await readLog(operator)).map((record) => [record.logIndex, record]));
    for (const { logIndex, type, principal } of siem.events.slice(0, last - from))
      expect({ logIndex, type, principal }).toMatchObject({
        type: byIndex.get(logIndex)?.type,
        principal: byIndex.get(logIndex)?.principal,
      });
  }, 60_000);

  it('pulls the same from the beginning, and what it acknowledged does not come again', async () => {
    const pulled: number[] = [];
    await eventually(async () => {
      pulled.push(...(await siem.pull(50)).map(({ logIndex }) => logIndex));
      expect(await siem.waiting()).toBe(0);
    }, DETECTION);
    expect(pulled).toEqual(pulled.map((_, at) => at));
    expect(pulled.length).toBeGreaterThan(2 * BURST);
    await retrieve(calm);
    const next = await eventually(async () => {
      const [first] = await siem.pull(1);
      expect(first).toBeDefined();
      return first?.logIndex;
    }, DETECTION);
    expect(next).toBe(pulled.length);
  }, 60_000);

  it('may ask for nothing else', async () => {
    for (const subject of [
      'keymesh.v1.rpc.my-siem.vault.credential.retrieve',
      '$JS.API.STREAM.INFO.AUDIT',
      '$JS.API.CONSUMER.MSG.NEXT.AUDIT.detector',
      '$JS.API.CONSUMER.RESET.AUDIT.siem',
    ])
      await expect(siem.connection.nats.request(subject, '', { timeout: 2_000 })).rejects.toThrow(
        /permission/i,
      );
  });
});
