import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  attestBundle,
  lockPrincipal,
  POLICY_GET_SUBJECT,
  type PolicyRequest,
  type TrustRoot,
} from '@keymesh/contracts';
import { DAY, MINUTE, SECOND, systemClock, toBase64Url, type Clock } from '@keymesh/kernel';
import { callPlain, getPolicyBundle, type MeshConnection } from '@keymesh/mesh';
import { NOT_ATTESTED, policyPrincipal, readAttestation, readBundle } from '@keymesh/policy-engine';
import type { BundleFloor, FloorBundle } from '@keymesh/postgres';
import {
  makeLogger,
  makeMetrics,
  openFlooredPolicy,
  type FlooredPolicy,
  type PolicyNews,
} from '@keymesh/service-kit';
import { eventually, expectCode, type ServiceProcess } from '@keymesh/testing';
import { startPolicyMesh, type PolicyMesh } from './support/policy-mesh.js';

let on: PolicyMesh;
let service: ServiceProcess;
let vault: MeshConnection;
const open: FlooredPolicy[] = [];

beforeAll(async () => {
  on = await startPolicyMesh();
  service = await on.start();
  vault = await on.mesh.connectAs('vault');
}, 120_000);
afterAll(async () => {
  for (const policy of open) policy.stop();
  await service.kill('SIGTERM');
  await on.stop();
}, 60_000);

const WAIT = { timeoutMs: 30_000 };
const NONCE = toBase64Url(new Uint8Array(32).fill(3));
const attested = async (connection = vault) => {
  const { attestation } = await callPlain(connection, connection.principal, attestBundle, { nonce: NONCE });
  return readAttestation(attestation, on.mesh.trustRoot, NONCE);
};
const published = async () => readBundle((await getPolicyBundle(vault))!.bytes, on.mesh.trustRoot);
const lock = async (principal: string) => {
  const { caller } = await on.callerOf(on.operator);
  return caller.call(lockPrincipal, { principal, lockSeconds: 86_400, reason: 'spec' });
};

/** A service's own clock, which a spec turns. */
function makeTurned(): Clock & { turn(ms: number): void } {
  let turned = 0;
  return {
    now: () => systemClock.now() + turned,
    monotonic: () => systemClock.monotonic() + turned,
    turn: (ms) => void (turned += ms),
  };
}

/** A service that decides by bundles, with the real ones of the broker. `kept` is what its Postgres has. */
async function startReader(connection: MeshConnection, kept: { bundle?: FloorBundle } = {}) {
  const clock = makeTurned();
  const news: PolicyNews[] = [];
  const floor: BundleFloor = {
    load: () => Promise.resolve(kept.bundle),
    raise: (bundle, attestedAtMs) => {
      kept.bundle = { ...bundle, attestedAtMs: kept.bundle?.attestedAtMs ?? attestedAtMs };
      return Promise.resolve();
    },
    attest: (version, attestedAtMs) => {
      if (kept.bundle?.version === version) kept.bundle = { ...kept.bundle, attestedAtMs };
      return Promise.resolve();
    },
  };
  const trustRoot: TrustRoot = on.mesh.trustRoot;
  const logger = makeLogger({ service: 'vault', instance: 'spec', level: 'silent' });
  const policy = await openFlooredPolicy({
    floor,
    connection,
    trustRoot,
    logger,
    metrics: makeMetrics('vault'),
    clock,
    maxBundleAgeMs: DAY,
    observe: (current) => current,
  });
  open.push(policy);
  policy.onNews((told) => void news.push(told));
  const decide = () => {
    const { directory, engine } = policy.currentPolicy();
    const request: PolicyRequest = {
      principal: policyPrincipal(directory.find('operator')!),
      action: 'principal.read',
      resource: { kind: 'principal', id: '*', attributes: {} },
      context: {},
    };
    return engine.decide(request);
  };
  await eventually(() => expect(policy.findPolicy()).toBeDefined(), WAIT);
  return { policy, clock, news, kept, decide };
}

describe('the policy service, asked which bundle is the newest', () => {
  it('says the one in the bucket, and after a change the next one', async () => {
    const before = await attested();
    expect(before.version).toBe((await published()).version);
    await on.invite('changed');
    const after = await attested();
    expect(after.version).toBeGreaterThan(before.version);
    expect(after.bundleDigest).not.toBe(before.bundleDigest);
  });

  it('says what any other instance has committed', async () => {
    const second = await on.start();
    for (let round = 0; round < 6; round += 1) {
      await on.invite(`either-${round}`);
      const { version } = await published();
      const answers = await Promise.all(Array.from({ length: 6 }, () => attested()));
      for (const answer of answers) expect(answer.version).toBeGreaterThanOrEqual(version);
    }
    await second.kill();
  });

  it('says nothing to clients, and nothing at all without Postgres', async () => {
    const client = await on.enrol('curious');
    await expectCode(attested(await on.connect(client.name, client.nkeySeed)), 'DENIED');
    await on.postgres.kill();
    await expectCode(attested(), 'STORE_UNAVAILABLE');
    await on.postgres.restart();
    await eventually(() => attested(), WAIT);
  });
});

describe('a service that decides by bundles', () => {
  it('lets its bundle be vouched for at once, and keeps when', async () => {
    const { policy, kept } = await startReader(vault);
    await eventually(
      () => expect(kept.bundle?.attestedAtMs).toBeGreaterThan(systemClock.now() - 5_000),
      WAIT,
    );
    expect(policy.freshness.ageMs()).toBeLessThan(10_000);
  });

  it('goes on half an hour after kill -9 of the policy service, denies everything after a day, also after a restart, and permits by itself when it is back', async () => {
    const reader = await startReader(vault);
    await eventually(() => expect(reader.kept.bundle?.version).toBe(reader.policy.currentPolicy().version));
    await service.kill('SIGKILL');
    reader.clock.turn(30 * MINUTE);
    await eventually(
      () => expect(reader.news).toMatchObject([{ kind: 'unattested', because: 'silent' }]),
      WAIT,
    );
    expect(reader.decide().effect).toBe('permit');
    reader.clock.turn(DAY);
    expect(reader.decide()).toMatchObject({ effect: 'forbid', errors: [NOT_ATTESTED] });
    // A restart, by a wall clock that is right, begins no new day.
    const { bundle } = reader.kept;
    const restarted = await startReader(vault, {
      bundle: { ...bundle!, attestedAtMs: systemClock.now() - DAY },
    });
    expect(restarted.decide()).toMatchObject({ effect: 'forbid', errors: [NOT_ATTESTED] });
    service = await on.start();
    for (const { decide } of [reader, restarted])
      await eventually(() => expect(decide().effect).toBe('permit'), WAIT);
    await eventually(() => expect(reader.news.at(-1)).toMatchObject({ kind: 'attested' }), WAIT);
  }, 90_000);

  it('notices that the broker holds a bundle back, and takes it when it comes', async () => {
    const shown = await vault.nats.request(POLICY_GET_SUBJECT, '');
    let isHolding = true;
    const nats = new Proxy(vault.nats, {
      get(target, name) {
        if (name === 'request')
          return (subject: string, ...rest: [Uint8Array, never]) =>
            isHolding && subject === POLICY_GET_SUBJECT
              ? Promise.resolve(shown)
              : target.request(subject, ...rest);
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    const reader = await startReader({ ...vault, nats });
    const { version } = reader.policy.currentPolicy();
    await eventually(() => expect(reader.kept.bundle?.version).toBe(version));
    await on.enrol('victim');
    await lock('victim');
    reader.clock.turn(20 * SECOND);
    await eventually(() => {
      reader.clock.turn(2 * SECOND);
      expect(reader.news).toMatchObject([{ kind: 'unattested', because: 'held-back' }]);
    }, WAIT);
    expect(reader.policy.currentPolicy().version).toBe(version);
    isHolding = false;
    await eventually(() => expect(reader.news.at(-1)).toMatchObject({ kind: 'attested' }), WAIT);
    expect(reader.policy.currentPolicy().directory.find('victim')?.status).toBe('locked');
  }, 90_000);
});
