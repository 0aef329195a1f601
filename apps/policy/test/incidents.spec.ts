import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  enrolPrincipal,
  liftKillSwitch,
  listKillSwitches,
  setKillSwitch,
  type Role,
} from '@keymesh/contracts';
import { systemClock } from '@keymesh/kernel';
import { callPlain, getPolicyBundle, type Caller, type MeshConnection } from '@keymesh/mesh';
import { openBundle, signStatement } from '@keymesh/policy-engine';
import { eventually, expectCode, makeTestPrincipal, type ServiceProcess } from '@keymesh/testing';
import { startPolicyMesh, type PolicyMesh } from './support/policy-mesh.js';

// A real NATS server, Postgres and policy service: what an operator does in an incident, and what failing on and on comes to.
let on: PolicyMesh;
let service: ServiceProcess;
let operator: Caller;

beforeAll(async () => {
  on = await startPolicyMesh();
  service = await on.start();
  operator = (await on.callerOf(on.operator)).caller;
}, 120_000);
afterAll(async () => {
  await service.kill('SIGTERM');
  await on.stop();
}, 60_000);

const untilCut = async ({ nats }: MeshConnection): Promise<void> => {
  for await (const status of nats.status()) if (status.type === 'disconnect') return;
};
const lifting = (killId: string): string =>
  signStatement(
    {
      ...{ v: 1, meshId: on.mesh.trustRoot.meshId, statementId: randomUUID() },
      ...{ issuedAt: new Date(systemClock.now()).toISOString(), issuer: 'operator' },
      ...{ type: 'kill-switch.lifted', killId },
    },
    on.operator.signingKey,
  );
const directoryNow = async () => {
  const stored = await getPolicyBundle(await on.mesh.connectAs('vault'));
  return openBundle(stored!.bytes, on.mesh.trustRoot).directory;
};

describe('the kill switch', () => {
  it('cuts a dozen principals by their role, and leaves every other connection', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `writer-${String(index)}`);
    const roles: Role[] = ['writer'];
    const connections = await Promise.all(
      names.map(async (name) => {
        const principal = await on.enrol(name, roles);
        return on.connect(name, principal.nkeySeed);
      }),
    );
    const other = await on.enrol('bystander');
    const bystander = await on.connect('bystander', other.nkeySeed);
    const cut = Promise.all(connections.map(untilCut));
    const reply = await operator.call(setKillSwitch, { scope: 'role', name: 'writer', reason: 'spec' });
    expect(reply.stopped).toBe(12);
    expect(reply.inForce?.confirmed.some((name) => name.startsWith('policy/'))).toBe(true);
    await cut;
    expect((await directoryNow()).find('writer-3')?.status).toBe('killed');
    await bystander.nats.flush();
    expect(bystander.isConnected()).toBe(true);
    await operator.call(liftKillSwitch, { statement: lifting(reply.killId) });
    expect((await directoryNow()).find('writer-3')?.status).toBe('active');
  }, 90_000);

  it('stands after kill -9, is no row that the service could change, and is listed with who lifted it', async () => {
    const { killId } = await operator.call(setKillSwitch, {
      scope: 'namespace',
      name: 'payments',
      reason: 'spec',
    });
    await service.kill('SIGKILL');
    service = await on.start();
    operator = (await on.callerOf(on.operator)).caller;
    expect((await directoryNow()).kills).toMatchObject([{ killId, scope: 'namespace', name: 'payments' }]);
    const { killSwitches } = await operator.call(listKillSwitches, {});
    expect(killSwitches.map(({ lifted }) => lifted?.by ?? null)).toEqual(['operator', null]);
    const [grants] = await on.sql<{ changes: boolean; inserts: boolean }>(
      `SELECT has_table_privilege('${on.postgres.roleOf('policy')}', 'policy.kill_switch', 'UPDATE, DELETE') AS changes,
              has_table_privilege('${on.postgres.roleOf('policy')}', 'policy.kill_switch', 'INSERT') AS inserts`,
    );
    expect(grants).toEqual({ changes: false, inserts: true });
    await operator.call(liftKillSwitch, { statement: lifting(killId) });
  }, 90_000);

  it('is taken from the bucket when the database was put back to an older backup, and made a bundle of when a restore set its row', async () => {
    const { killId } = await operator.call(setKillSwitch, { scope: 'role', name: 'siem', reason: 'spec' });
    const [newest] = await on.sql<{ version: number }>('SELECT max(version) AS version FROM bundle');
    await service.kill('SIGKILL');
    await on.sql('DELETE FROM kill_switch WHERE kill_id = $1', [killId]);
    await on.sql('DELETE FROM bundle WHERE version >= $1', [newest!.version]);
    service = await on.start();
    await eventually(async () => expect((await directoryNow()).kills).toMatchObject([{ killId }]));
    const restored = randomUUID();
    await service.kill('SIGKILL');
    await on.sql(
      `INSERT INTO kill_switch (kill_id, scope, name, reason, since, set_by) VALUES ($1, 'namespace', 'later', 'spec', now(), 'operator')`,
      [restored],
    );
    service = await on.start();
    await eventually(async () =>
      expect((await directoryNow()).kills.map((kill) => kill.killId)).toEqual([killId, restored]),
    );
    operator = (await on.callerOf(on.operator)).caller;
    for (const id of [killId, restored]) await operator.call(liftKillSwitch, { statement: lifting(id) });
  }, 90_000);
});

describe('failed attempts', () => {
  it('of strangers lock out strangers of that address, and nobody who proves a key there', async () => {
    const victim = await on.enrol('victim');
    const forger = makeTestPrincipal('victim');
    for (let attempt = 0; attempt < 12; attempt += 1)
      await expect(on.connect('victim', forger.nkeySeed)).rejects.toThrow();
    const lockouts = await eventually(() => {
      const found = on.records('attempts.locked-out');
      expect(found.length).toBeGreaterThan(0);
      return found;
    });
    expect(lockouts[0]).toMatchObject({ outcome: 'failure', facts: { what: 'stranger', failures: 6 } });
    const connection = await on.connect('victim', victim.nkeySeed);
    await connection.nats.flush();
    // Its neighbour with a token comes in as well.
    const guest = await on.connectWithToken(await on.invite('neighbour'));
    await guest.nats.flush();
    for (const record of on
      .records('connection.refused')
      .filter(({ facts }) => facts?.reason === 'unknown-key'))
      expect(record.principal).toBeUndefined();
  }, 60_000);

  it('of a token end its connection each time, then hold it off, also after kill -9; its invitation is good still', async () => {
    const [guest, other] = [await on.invite('clumsy'), await on.invite('elsewhere')];
    const wrong = async (): Promise<void> => {
      const connection = await on.connectWithToken(guest);
      const cut = untilCut(connection);
      const said = { statement: other.complete() };
      await expectCode(callPlain(connection, 'clumsy', enrolPrincipal, said), 'ENROLMENT_REJECTED');
      await cut;
      await connection.nats.close();
    };
    await wrong();
    await wrong();
    await wrong();
    await on.sql(`UPDATE failed_attempt SET locked_until = now() + interval '20 seconds'`);
    await service.kill('SIGKILL');
    service = await on.start();
    operator = (await on.callerOf(on.operator)).caller;
    await expect(on.connectWithToken(guest)).rejects.toThrow();
    await (await on.connectWithToken(other)).nats.flush();
    await eventually(() =>
      expect(on.records('attempts.locked-out').map(({ facts }) => facts?.what)).toContain('token'),
    );
    await on.sql(`UPDATE failed_attempt SET locked_until = now()`);
    const connection = await on.connectWithToken(guest);
    await callPlain(connection, 'clumsy', enrolPrincipal, { statement: guest.complete() });
    expect((await directoryNow()).find('clumsy')?.status).toBe('active');
  }, 120_000);

  it('are metered', async () => {
    const text = await (await fetch(`http://127.0.0.1:${String(service.httpPort)}/metrics`)).text();
    for (const name of ['failed_attempts_total', 'lockouts_total', 'failing_sources'])
      expect(text).toContain(`keymesh_policy_${name}`);
  });
});
