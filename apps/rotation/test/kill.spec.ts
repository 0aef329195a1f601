import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { rotateCredential } from '@keymesh/contracts';
import { eventually, type ServiceProcess } from '@keymesh/testing';
import type { FakeCredential, Moment } from './support/fake-vault.js';
import { addRole, startRotationMesh, type RotationMesh } from './support/rotation-mesh.js';

const OLD = 'Old-password-of-app-1!';

/** A point at which a rotation is stopped: the vault is held, or the commit that records a step. */
type Point = { readonly vault: Moment; readonly occurrence: number } | { readonly commit: string };

// Between any two steps, and on both sides of each effect: not yet done, and done but known to nobody.
const POINTS: readonly [name: string, role: string, point: Point][] = [
  ['before the version is made', 'k_prepare', { vault: 'prepare:asked', occurrence: 1 }],
  ['after the version is made, before the answer', 'k_prepared', { vault: 'prepare:done', occurrence: 1 }],
  ['after the version is made, before it is recorded', 'k_set', { commit: 'set' }],
  ['before the password is set', 'k_reveal', { vault: 'reveal:asked', occurrence: 1 }],
  ['before it is recorded that the provider is touched', 'k_touched', { commit: 'touched' }],
  ['after the password is set, before it is recorded', 'k_test', { commit: 'test' }],
  ['before the new password is tested', 'k_tested', { vault: 'reveal:asked', occurrence: 3 }],
  ['after the test, before it is recorded', 'k_finish', { commit: 'finish' }],
  ['before the promotion', 'k_promote', { vault: 'promote:asked', occurrence: 1 }],
  ['after the promotion, before the answer', 'k_promoted', { vault: 'promote:done', occurrence: 1 }],
  ['after the promotion, before it is recorded', 'k_done', { commit: 'done' }],
];

const HOLD = `
  CREATE TABLE rotation.hold (credential_id uuid, moment text);
  GRANT SELECT ON rotation.hold TO keymesh_rotation;
  CREATE FUNCTION rotation.hold_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF EXISTS (SELECT 1 FROM rotation.hold WHERE credential_id = NEW.credential_id AND (
        (moment = NEW.state AND NEW.state <> OLD.state) OR
        (moment = 'touched' AND NEW.provider_touched AND NOT OLD.provider_touched))) THEN
      PERFORM pg_sleep(120);
    END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER hold_commit BEFORE UPDATE ON rotation.workflow FOR EACH ROW EXECUTE FUNCTION rotation.hold_commit();`;

let on: RotationMesh;
let service: ServiceProcess;
const credentials = new Map<string, FakeCredential>();

/** Starts one rotation for each point and resolves when all of them stand still there. */
async function startAndHoldAll(): Promise<void> {
  const held = new Set<string>();
  const seen = new Map<string, number>();
  const points = new Map<string, Point>();
  on.vault.onMoment((moment, credentialId) => {
    const point = points.get(credentialId);
    if (point === undefined || !('vault' in point) || point.vault !== moment) return Promise.resolve();
    const occurrence = (seen.get(credentialId) ?? 0) + 1;
    seen.set(credentialId, occurrence);
    if (occurrence !== point.occurrence) return Promise.resolve();
    held.add(credentialId);
    return new Promise(() => undefined); // for ever: whoever asked is about to die
  });
  const writer = await on.callerOf(on.writer);
  for (const [, role, point] of POINTS) {
    const credential = await addRole(on, role, OLD);
    const { credentialId } = credential.metadata;
    credentials.set(role, credential);
    points.set(credentialId, point);
    if ('commit' in point) await on.sql('INSERT INTO hold VALUES ($1, $2)', [credentialId, point.commit]);
    writer.call(rotateCredential, { name: role }, { deadlineMs: 2_000 }).catch(() => undefined);
  }
  const commits = POINTS.filter(([, , point]) => 'commit' in point).length;
  await eventually(
    async () => {
      const sleeping = await on.sql(`SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'`);
      expect([sleeping.length, held.size]).toEqual([commits, POINTS.length - commits]);
    },
    { timeoutMs: 30_000 },
  );
}

const worksOf = async (role: string, stages: readonly string[]): Promise<boolean[]> => {
  const versions = [...(credentials.get(role)?.versions.values() ?? [])];
  const usable = versions.filter(({ stage }) => stages.includes(stage));
  return Promise.all(usable.map(({ values }) => on.logsIn(role, values.password ?? '')));
};

beforeAll(async () => {
  on = await startRotationMesh();
  await on.sql(HOLD);
  service = await on.start({ KEYMESH_ROTATION_CONCURRENCY: '32', KEYMESH_ROTATION_LEASE_SECONDS: '60' });
  await startAndHoldAll();
}, 120_000);

afterAll(async () => {
  await service.kill('SIGTERM');
  await on.stop();
}, 30_000);

// Guarantee: a rotation that is killed at any point is finished by the next process, and never strands its credential.
describe('kill -9', () => {
  it.each(POINTS)('leaves a version that works: %s', async (_name, role) => {
    expect(await worksOf(role, ['current', 'pending'])).toContain(true);
  });

  it('is survived by the next process', async () => {
    await service.kill('SIGKILL');
    await on.sql('DELETE FROM hold');
    // A dead client's statement ends only when the server wants to write to it; and its lease would end by itself in a minute.
    await on.sql(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'keymesh-rotation'`,
    );
    await on.sql('UPDATE workflow SET lease_until = now()');
    on.vault.onMoment(() => Promise.resolve());
    service = await on.start();
    await eventually(
      async () => {
        const rows = await on.sql('SELECT DISTINCT state, version FROM workflow');
        expect(rows).toEqual([{ state: 'done', version: 2 }]);
      },
      { timeoutMs: 30_000 },
    );
  }, 60_000);

  it.each(POINTS)('ends with the new password alone: %s', async (_name, role) => {
    expect(await worksOf(role, ['current'])).toEqual([true]);
    expect(await on.logsIn(role, OLD)).toBe(false);
    expect(credentials.get(role)?.versions.size).toBe(2);
  });

  it('leaves one record of each kind for each rotation', async () => {
    const rows = await on.sql<{ record: string }>(
      `SELECT convert_from(payload, 'UTF8') AS record FROM outbox WHERE kind = 'journal'`,
    );
    const counts = new Map<string, number>();
    for (const { record } of rows) {
      const { type, facts } = JSON.parse(record) as { type: string; facts?: { rotationId?: string } };
      const key = `${type} ${facts?.rotationId ?? ''}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(POINTS.length * 3);
    expect(new Set(counts.values())).toEqual(new Set([1]));
  });

  it('lets no password into a log', () => {
    expect(on.serverLog().includes('SCRAM-SHA-256$')).toBe(true);
    for (const secret of on.vault.secrets) {
      expect(on.serverLog().includes(secret)).toBe(false);
      expect(service.text().includes(secret)).toBe(false);
    }
  });
});

describe('a lease', () => {
  // Guarantee: another instance goes on by itself when the one that worked is gone.
  it('of a killed instance runs out, and another instance goes on', async () => {
    const credential = await addRole(on, 'k_lease', OLD);
    credentials.set('k_lease', credential);
    let reached: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (reached = resolve));
    on.vault.onMoment((moment) => {
      if (moment !== 'promote:asked') return Promise.resolve();
      reached();
      return new Promise(() => undefined);
    });
    const writer = await on.callerOf(on.writer);
    writer.call(rotateCredential, { name: 'k_lease' }, { deadlineMs: 2_000 }).catch(() => undefined);
    await held;
    await service.kill('SIGKILL');
    on.vault.onMoment(() => Promise.resolve());
    service = await on.start();
    await eventually(() => expect(credential.metadata.version).toBe(2), { timeoutMs: 15_000 });
    await eventually(async () => expect(await worksOf('k_lease', ['current'])).toEqual([true]));
  }, 60_000);
});
