import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { listRotations, rotateCredential } from '@keymesh/contracts';
import type { Caller } from '@keymesh/mesh';
import { eventually, expectCode, type ServiceProcess } from '@keymesh/testing';
import {
  addRole,
  describedCredential,
  startRotationMesh,
  type RotationMesh,
} from './support/rotation-mesh.js';

let on: RotationMesh;
let service: ServiceProcess;
let writer: Caller;

beforeAll(async () => {
  on = await startRotationMesh();
  service = await on.start();
  writer = await on.callerOf(on.writer);
}, 90_000);

afterAll(async () => {
  await service.kill('SIGTERM');
  await on.stop();
}, 30_000);

describe('rotating a PostgreSQL role', () => {
  const OLD = 'Old-password-of-app-1!';

  it('makes the new password the one that works, and the old one fail', async () => {
    const credential = await addRole(on, 'app_one', OLD);
    const reply = await writer.call(rotateCredential, { name: 'app_one' }, { deadlineMs: 20_000 });
    expect(reply).toMatchObject({
      state: 'done',
      version: 2,
      startedBy: 'writer',
      reason: null,
      name: 'app_one',
    });
    const fresh = on.vault.currentOf(credential).values.password ?? '';
    expect(fresh).not.toBe(OLD);
    expect(await on.logsIn('app_one', fresh)).toBe(true);
    expect(await on.logsIn('app_one', OLD)).toBe(false);
  });

  // The server logs every statement here; the control shows that the log is being read.
  it('lets neither password reach the log of the server or of the service', () => {
    const log = on.serverLog();
    expect(log.includes("ALTER ROLE CURRENT_USER PASSWORD 'SCRAM-SHA-256$")).toBe(true);
    expect(service.text().includes('rotation ended')).toBe(true);
    expect(on.vault.secrets).toContain(OLD);
    for (const secret of on.vault.secrets) {
      expect(log.includes(secret)).toBe(false);
      expect(service.text().includes(secret)).toBe(false);
    }
  });

  it('rolls back when the new version cannot be made current: the old password works as before', async () => {
    const credential = await addRole(on, 'app_conflict', OLD);
    on.vault.onMoment((moment) => {
      const pending = credential.versions.get(2);
      if (moment === 'promote:asked' && pending !== undefined) pending.stage = 'revoked';
      if (moment === 'promote:done' && pending !== undefined) pending.stage = 'pending';
      return Promise.resolve();
    });
    // The promotion is refused, and the version is pending again for the rollback, as after a lost race.
    const restore = setInterval(() => {
      const pending = credential.versions.get(2);
      if (pending?.stage === 'revoked') pending.stage = 'pending';
    }, 5);
    const reply = await writer.call(rotateCredential, { name: 'app_conflict' }, { deadlineMs: 20_000 });
    clearInterval(restore);
    on.vault.onMoment(() => Promise.resolve());
    expect(reply).toMatchObject({ state: 'failed', reason: 'VERSION_CONFLICT' });
    expect(await on.logsIn('app_conflict', OLD)).toBe(true);
    expect(on.vault.currentOf(credential).values.password).toBe(OLD);
  });

  it('changes nothing when the password in the vault does not log in', async () => {
    const credential = await addRole(on, 'app_wrong', OLD);
    await on.sql(`ALTER ROLE app_wrong PASSWORD 'changed-by-somebody'`);
    const reply = await writer.call(rotateCredential, { name: 'app_wrong' }, { deadlineMs: 20_000 });
    expect(reply).toMatchObject({ state: 'failed', reason: 'PROVIDER_LOGIN_REFUSED' });
    expect(await on.logsIn('app_wrong', 'changed-by-somebody')).toBe(true);
    expect(credential.versions.get(2)?.stage).toBe('revoked');
  });
});

describe('rotating a generated value', () => {
  it('needs no provider, and is recorded with its decision', async () => {
    const credential = on.vault.add(describedCredential({ name: 'generated-one' }), {
      value: 'a-value-of-before-0',
    });
    const reply = await writer.call(rotateCredential, { name: 'generated-one' }, { deadlineMs: 20_000 });
    expect(reply.state).toBe('done');
    expect(on.vault.currentOf(credential).values.value).not.toBe('a-value-of-before-0');
    const rows = await on.sql<{ record: string }>(
      `SELECT convert_from(payload, 'UTF8') AS record FROM outbox WHERE kind = 'journal'
       AND position(convert_to($1, 'UTF8') in payload) > 0 ORDER BY seq`,
      [reply.rotationId],
    );
    const records = rows.map(({ record }) => JSON.parse(record) as Record<string, unknown>);
    expect(records.map(({ type, outcome, principal }) => [type, outcome, principal])).toEqual([
      ['rotation.started', 'success', 'writer'],
      ['rotation.finished', 'success', 'writer'],
      ['credential.rotated', 'success', 'writer'],
    ]);
    for (const record of records)
      expect(record.decision).toMatchObject({ effect: 'permit', request: { action: 'rotate' } });
    expect(JSON.stringify(rows)).not.toContain('generated-one');
  });

  it('lets one of many at the same time win', async () => {
    on.vault.add(describedCredential({ name: 'contested' }), { value: 'a-value-of-before-1' });
    const asked = await Promise.allSettled(
      Array.from({ length: 8 }, () =>
        writer.call(rotateCredential, { name: 'contested' }, { deadlineMs: 20_000 }),
      ),
    );
    const won = asked.filter(({ status }) => status === 'fulfilled');
    const lost = asked.flatMap((each) =>
      each.status === 'rejected' ? [(each.reason as { code: string }).code] : [],
    );
    expect(won.length).toBeGreaterThanOrEqual(1);
    expect(new Set(lost)).toEqual(new Set(['ROTATION_IN_PROGRESS']));
    const [open] = await on.sql<{ most: number }>(
      `SELECT count(*)::int AS most FROM workflow WHERE state NOT IN ('done', 'failed')`,
    );
    expect(open?.most).toBe(0);
  });

  it('starts by schedule when the interval has passed, in the name of the service', async () => {
    const due = new Date(Date.now() - 3_600_000).toISOString();
    const credential = on.vault.add(
      describedCredential({
        name: 'scheduled',
        versionCreatedAt: due,
        rotation: { adapter: 'generated', intervalSeconds: 1_800 },
      }),
      { value: 'a-value-of-before-2' },
    );
    await eventually(() => expect(credential.metadata.version).toBe(2), { timeoutMs: 15_000 });
    const operator = await on.callerOf(on.operator);
    const { rotations } = await operator.call(listRotations, { name: 'scheduled' });
    expect(rotations).toHaveLength(1);
    expect(rotations[0]).toMatchObject({ startedBy: '_rotation', adapter: 'generated' });
    operator.close();
  });
});

describe('who may', () => {
  beforeAll(() => {
    on.vault.add(describedCredential({ name: 'guarded' }), { value: 'a-value-of-before-3' });
    on.vault.add(describedCredential({ name: 'by-hand', rotation: null }), { value: 'a-value-of-before-4' });
  });

  it('answers DENIED to who may know of it, and the same as for a missing one to who may not', async () => {
    const reader = await on.callerOf(on.reader);
    const outsider = await on.callerOf(on.outsider);
    await expectCode(reader.call(rotateCredential, { name: 'guarded' }), 'DENIED');
    const denied = await expectCode(
      outsider.call(rotateCredential, { name: 'guarded' }),
      'CREDENTIAL_NOT_FOUND',
    );
    const missing = await expectCode(
      outsider.call(rotateCredential, { name: 'nothing' }),
      'CREDENTIAL_NOT_FOUND',
    );
    expect([denied.code, denied.message]).toEqual([missing.code, missing.message]);
    expect(Object.keys(denied.details)).toEqual(Object.keys(missing.details));
    await expectCode(reader.call(listRotations, {}), 'DENIED');
    reader.close();
    outsider.close();
  });

  it('says that a credential without an adapter is not rotated', async () => {
    await expectCode(writer.call(rotateCredential, { name: 'by-hand' }), 'ROTATION_UNSUPPORTED');
  });

  it('records refusals', async () => {
    const rows = await on.sql<{ record: string }>(
      `SELECT convert_from(payload, 'UTF8') AS record FROM outbox WHERE kind = 'journal'
       AND position('"outcome":"denied"'::bytea in payload) > 0`,
    );
    expect(rows.map(({ record }) => (JSON.parse(record) as { type: string }).type)).toEqual(
      expect.arrayContaining(['credential.rotated', 'rotation.listed']),
    );
  });
});
