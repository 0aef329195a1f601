import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { defineRpc, listRotations, subjects, type PolicyRequest } from '@keymesh/contracts';
import { systemClock } from '@keymesh/kernel';
import { makeCaller, publishEvent, type Caller } from '@keymesh/mesh';
import { eventually, expectCode } from '@keymesh/testing';
import { startService, type RunningService } from '../src/index.js';
import { CANARY, rotationFixture, seenEvents } from './fixtures/rotation-service.js';
import { vaultFixture } from './fixtures/vault-service.js';
import { startKitMesh, type KitMesh } from './support/kit-mesh.js';

let kitMesh: KitMesh;
let vault: RunningService;
let rotation: RunningService;
let caller: Caller;

const get = async (path: string): Promise<{ status: number; text: string }> => {
  const reply = await fetch(`http://127.0.0.1:${rotation.httpPort}${path}`);
  return { status: reply.status, text: await reply.text() };
};
const readiness = async () => {
  const { status, text } = await get('/health/ready');
  return { status, body: JSON.parse(text) as { status: string; checks: Record<string, unknown> } };
};

beforeAll(async () => {
  kitMesh = await startKitMesh();
  const { mesh, app } = kitMesh;
  rotation = await startService(rotationFixture(() => kitMesh.configOf('rotation')));
  vault = await startService(vaultFixture(() => kitMesh.configOf('vault'), mesh.meshKey));
  caller = makeCaller({
    connection: await mesh.connectAs(app),
    principal: app.name,
    signingKey: app.signingKey,
    meshPublicKey: mesh.trustRoot.meshPublicKey,
    clock: systemClock,
  });
}, 60_000);

afterAll(async () => {
  caller.close();
  await Promise.all([rotation.stop(), vault.stop()]);
  await kitMesh.stop();
}, 30_000);

describe('a service before the first bundle', () => {
  it('lives, but is not ready, and decides nothing', async () => {
    expect(await get('/health/live')).toMatchObject({ status: 200 });
    const { status, body } = await readiness();
    expect(status).toBe(503);
    expect(body).toMatchObject({
      status: 'down',
      checks: {
        policy: { status: 'down', code: 'POLICY_UNAVAILABLE' },
        'channel-keys': { status: 'down' },
        bus: { status: 'ok' },
        database: { status: 'ok' },
      },
    });
    await expectCode(() => rotation.kit.policy.currentPolicy(), 'POLICY_UNAVAILABLE');
  });

  it('refuses a bundle that does not hold, and keeps waiting', async () => {
    const bytes = kitMesh.bundleBytes(1);
    const last = bytes.length - 1;
    bytes[last] = (bytes[last] ?? 0) ^ 1;
    await kitMesh.publishBytes(bytes);
    await eventually(async () =>
      expect((await get('/metrics')).text).toContain('keymesh_policy_bundles_total{result="refused"'),
    );
    expect(rotation.kit.policy.findPolicy()).toBeUndefined();
  });
});

describe('a service with a bundle', () => {
  beforeAll(async () => {
    await kitMesh.publishBundle(2);
    await Promise.all([vault.ready, rotation.ready]);
  }, 30_000);

  it('is ready, with a channel key that the vault certified', async () => {
    const { status, body } = await readiness();
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: 'ok', checks: { policy: { facts: { bundleVersion: 2 } } } });
    expect(rotation.kit.channelKeys.currentStatements()).toHaveLength(1);
  });

  it('answers through the channel, to whom the channel proves', async () => {
    const { rotations } = await caller.call(listRotations, {});
    expect(rotations[0]?.startedBy).toBe('app');
  });

  it.each(['denied', 'unavailable', 'foreign'] as const)('lets codes survive: %s', async (name) => {
    const code = { denied: 'DENIED', unavailable: 'STORE_UNAVAILABLE', foreign: 'INTERNAL' } as const;
    const error = await expectCode(caller.call(listRotations, { name }), code[name]);
    expect(JSON.stringify([error.message, error.details])).not.toContain(CANARY);
    if (name === 'denied') expect(error.publicMessage).toBe('The fixture says no.');
  });

  it('refuses what the contract does not take, and operations that are not there', async () => {
    await expectCode(caller.call(listRotations, { limit: 0 }), 'BAD_REQUEST');
    const nowhere = defineRpc({ ...listRotations, noun: 'nothing', verb: 'do' });
    await expectCode(caller.call(nowhere, {}), 'UNKNOWN_OPERATION');
  });

  it('counts and times what it did, by operation and outcome', async () => {
    const { text } = await get('/metrics');
    expect(text).toMatch(
      /keymesh_operations_total\{operation="listRotations",outcome="success",service="rotation"\} [1-9]/,
    );
    expect(text).toMatch(
      /keymesh_operations_total\{operation="listRotations",outcome="DENIED",service="rotation"\} [1-9]/,
    );
    expect(text).toMatch(
      /keymesh_operation_duration_seconds_count\{service="rotation",operation="listRotations",outcome="INTERNAL"\} [1-9]/,
    );
    expect(text).toContain('keymesh_policy_bundle_version{service="rotation"} 2');
    expect(text).toContain('nodejs_eventloop_lag_seconds');
  });

  it('decides by the bundle, and counts what it decided', async () => {
    const request: PolicyRequest = {
      principal: { name: 'app', kind: 'service', roles: ['reader'] },
      action: 'principal.lock',
      resource: { kind: 'principal', id: 'other', attributes: {} },
      context: {},
    };
    const { engine } = rotation.kit.policy.currentPolicy();
    expect(engine.decide(request)).toMatchObject({ effect: 'forbid', bundleVersion: 2 });
    engine.decide(request);
    const { text } = await get('/metrics');
    expect(text).toMatch(
      /keymesh_policy_decisions_total\{effect="forbid",cached="no",service="rotation"\} 1/,
    );
    expect(text).toMatch(
      /keymesh_policy_decisions_total\{effect="forbid",cached="yes",service="rotation"\} 1/,
    );
  });

  it('works through its consumer, and again what failed', async () => {
    const connection = await kitMesh.mesh.connectAs('vault');
    const subject = subjects.event('vault', 'version', 'promoted');
    const encode = (text: string) => Buffer.from(text);
    await publishEvent(connection, subject, 'e1', encode('first'));
    await publishEvent(connection, subject, 'e2', encode('fail once'));
    await eventually(() => expect(seenEvents).toEqual(expect.arrayContaining(['first', 'fail once'])));
    const { text } = await get('/metrics');
    expect(text).toMatch(
      /keymesh_consumed_messages_total\{consumer="rotation-events",outcome="failure",service="rotation"\} 1/,
    );
  });

  it('takes a newer bundle and never an older one', async () => {
    await kitMesh.publishBundle(5);
    await eventually(() => expect(rotation.kit.policy.currentPolicy().version).toBe(5));
    await kitMesh.publishBundle(4);
    await eventually(async () =>
      expect((await get('/metrics')).text).toContain('keymesh_policy_bundles_total{result="not-newer"'),
    );
    expect(rotation.kit.policy.currentPolicy().version).toBe(5);
  });

  it('takes no older one after a restart either, and decides by the newest that it had, whatever the bucket holds', async () => {
    const floorVersion = async () =>
      (await rotation.kit.dataSource.query<{ version: number }[]>('SELECT version FROM bundle_floor'))[0]
        ?.version;
    await eventually(async () => expect(await floorVersion()).toBe(5));
    await rotation.stop();
    await kitMesh.publishBundle(4);
    rotation = await startService(rotationFixture(() => kitMesh.configOf('rotation')));
    expect(rotation.kit.policy.currentPolicy().version).toBe(5);
    await eventually(async () =>
      expect((await get('/metrics')).text).toContain('keymesh_policy_bundles_total{result="not-newer"'),
    );
    expect(rotation.kit.policy.currentPolicy().version).toBe(5);
    await rotation.ready;
  }, 30_000);

  it('is degraded, not down, without Postgres, and recovers by itself', async () => {
    await kitMesh.postgres.kill();
    await eventually(async () =>
      expect(await readiness()).toMatchObject({ status: 200, body: { status: 'degraded' } }),
    );
    expect((await caller.call(listRotations, {})).rotations).toHaveLength(1);
    await kitMesh.postgres.restart();
    await eventually(async () => expect(await readiness()).toMatchObject({ body: { status: 'ok' } }), {
      timeoutMs: 10_000,
    });
  }, 30_000);
});
