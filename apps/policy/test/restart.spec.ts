import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ACCOUNTS,
  certifyChannelKey,
  clientPermissions,
  createPrincipal,
  disablePrincipal,
  enrolPrincipal,
  listPrincipals,
  lockPrincipal,
  type PrincipalSummary,
} from '@keymesh/contracts';
import { HOUR, systemClock, type SigningKey } from '@keymesh/kernel';
import { callPlain, getPolicyBundle, nkeyPairOf, putPolicyBundle, type MeshConnection } from '@keymesh/mesh';
import { openBundle, readBundle, signBundle } from '@keymesh/policy-engine';
import { fromCurveSeed } from '@nats-io/nkeys';
import {
  eventually,
  expectCode,
  makeTestPrincipal,
  type ServiceProcess,
  type TestPrincipal,
} from '@keymesh/testing';
import { serveAuthCallout } from '../src/transport/auth-callout.js';
import { makeInvitation } from './support/invitations.js';
import { startPolicyMesh, type PolicyMesh } from './support/policy-mesh.js';

let on: PolicyMesh;
let service: ServiceProcess;
let vault: MeshConnection;

beforeAll(async () => {
  on = await startPolicyMesh();
  service = await on.start();
  vault = await on.mesh.connectAs('vault');
}, 120_000);
afterAll(async () => {
  await service.kill('SIGTERM');
  await on.stop();
});

const published = async () => readBundle((await getPolicyBundle(vault))!.bytes, on.mesh.trustRoot);
const restart = async (): Promise<void> => {
  await service.kill('SIGKILL');
  service = await on.start();
};
const listed = async (): Promise<PrincipalSummary[]> => {
  const { caller } = await on.callerOf(on.operator);
  return (await caller.call(listPrincipals, {})).principals;
};
/** Another instance, gone with the spec however that ends. */
const started = async () => {
  const instance = await on.start();
  const kill = () => instance.kill('SIGKILL');
  return { kill, [Symbol.asyncDispose]: kill };
};
const connects = (principal: TestPrincipal) => on.connect(principal.name, principal.nkeySeed);

describe('the policy service, killed and started again', () => {
  it('keeps every answer that it gave, and the bundles never go back', async () => {
    const { caller } = await on.callerOf(on.operator);
    const answered: string[] = [];
    let newest = 0;
    const working = (async () => {
      for (let index = 0; index < 60; index += 1) {
        const { statement } = makeInvitation(on.mesh, `kept-${index}`, systemClock);
        const reply = await caller
          .call(createPrincipal, { statement }, { deadlineMs: 2_000 })
          .catch(() => undefined);
        if (reply === undefined) continue;
        answered.push(reply.principal);
        expect(reply.bundleVersion).toBeGreaterThan(newest);
        newest = reply.bundleVersion;
      }
    })();
    await eventually(() => expect(answered.length).toBeGreaterThan(10), { timeoutMs: 20_000 });
    await restart();
    await working;
    expect(answered.length).toBeGreaterThan(10);
    const names = (await listed()).map(({ name }) => name);
    for (const name of answered) expect(names).toContain(name);
    expect((await published()).version).toBeGreaterThanOrEqual(newest);
    // By which policies each of them decides is committed with it.
    expect(await on.sql('SELECT version FROM bundle EXCEPT SELECT version FROM policy_set')).toEqual([]);
    await eventually(() => {
      const recorded = on.records('principal.created').map(({ resource }) => resource?.id);
      for (const name of answered) expect(recorded).toContain(name);
    });
  }, 90_000);

  it('keeps principals, locks and disabled ones, and cuts a connection that it let in before', async () => {
    const [active, locked, off] = [await on.enrol('active'), await on.enrol('locked'), await on.enrol('off')];
    const { caller } = await on.callerOf(on.operator);
    await caller.call(lockPrincipal, { principal: 'locked', lockSeconds: 600, reason: 'spec' });
    await caller.call(disablePrincipal, { principal: 'off', reason: 'spec' });
    const connection = await connects(active);
    await restart();
    expect(
      (await listed())
        .filter(({ name }) => ['active', 'locked', 'off'].includes(name))
        .map(({ status }) => status),
    ).toEqual(['active', 'locked', 'disabled']);
    for (const refused of [locked, off]) await expectCode(connects(refused), 'DENIED');
    const cut = connection.nats.status()[Symbol.asyncIterator]().next();
    const again = (await on.callerOf(on.operator)).caller;
    await again.call(disablePrincipal, { principal: 'active', reason: 'spec' });
    expect((await cut).value).toMatchObject({ type: 'disconnect' });
  });

  it('does not take genesis in twice, and keeps an invitation that is open', async () => {
    const invitation = await on.invite('patient');
    const before = await on.sql<{ count: string }>('SELECT count(*) FROM statement');
    await restart();
    expect(await on.sql('SELECT count(*) FROM statement')).toEqual(before);
    const connection = await on.connectWithToken(invitation);
    await callPlain(connection, 'patient', enrolPrincipal, { statement: invitation.complete() });
  });

  it('heals a bucket that was put back to an older bundle, or holds rubbish', async () => {
    const policy = await on.mesh.connectAs('policy');
    const { version } = await published();
    const old = await on.sql<{ bytes: Buffer }>('SELECT bytes FROM bundle ORDER BY version LIMIT 1');
    for (const bytes of [new Uint8Array(old[0]!.bytes), new Uint8Array([1, 2, 3])]) {
      await service.kill('SIGKILL');
      await putPolicyBundle(policy, bytes);
      service = await on.start();
      await eventually(async () => expect((await published()).version).toBeGreaterThanOrEqual(version));
    }
  });

  it('catches up with the bucket when the database was put back to an older backup', async () => {
    const late = await on.enrol('late');
    const { caller } = await on.callerOf(on.operator);
    await caller.call(disablePrincipal, { principal: 'patient', reason: 'spec' });
    const { version } = await published();
    await service.kill('SIGKILL');
    await on.sql(`DELETE FROM statement WHERE principal = 'late'`);
    await on.sql(`DELETE FROM taken WHERE principal = 'patient'`);
    await on.sql('DELETE FROM bundle WHERE version > $1', [version - 3]);
    service = await on.start();
    await eventually(async () => expect((await published()).version).toBeGreaterThan(version));
    await eventually(() => connects(late));
    expect((await listed()).find(({ name }) => name === 'patient')?.status).toBe('disabled');
  });

  it('runs twice: changes wait for each other, and who enrolled at one is let in by the other', async () => {
    await using second = await started();
    const { caller } = await on.callerOf(on.operator);
    const versions = await Promise.all(
      Array.from({ length: 12 }, async (_, index) => {
        const { statement } = makeInvitation(on.mesh, `both-${index}`, systemClock);
        return (await caller.call(createPrincipal, { statement })).bundleVersion;
      }),
    );
    expect(new Set(versions).size).toBe(12);
    for (let round = 0; round < 6; round += 1) await connects(await on.enrol(`twin-${round}`));
    await second.kill();
    const names = (await listed()).map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['both-0', 'both-11', 'twin-5']));
  });

  it('answers while Postgres is away: who was enrolled gets in; nothing changes; then all is well again', async () => {
    const steady = await on.enrol('steady');
    await on.postgres.kill();
    await connects(steady);
    const { caller } = await on.callerOf(on.operator);
    const { statement } = makeInvitation(on.mesh, 'meanwhile', systemClock);
    await expectCode(caller.call(createPrincipal, { statement }), 'STORE_UNAVAILABLE');
    await on.postgres.restart();
    await eventually(() => caller.call(createPrincipal, { statement }), { timeoutMs: 15_000 });
  });
});

describe('a policy service that was taken over', () => {
  it('grants nothing with its bundle key: what it puts into the bucket does not open', async () => {
    const mallory = (await on.invite('mallory')).own;
    await service.kill('SIGKILL');
    const { version, statements } = await published();
    const policy = await on.mesh.connectAs('policy');
    const forged = makeInvitation({ ...on.mesh, operator: mallory }, 'evil', systemClock, {
      roles: ['operator'],
    });
    const bundle = {
      v: 1 as const,
      meshId: on.mesh.trustRoot.meshId,
      version: version + 1,
      issuedAt: new Date().toISOString(),
      statements: [...statements, forged.statement, forged.complete()],
      policies: [],
      taken: [],
    };
    await putPolicyBundle(policy, signBundle(bundle, on.mesh.bundleKey));
    const stored = await getPolicyBundle(vault);
    await expectCode(() => openBundle(stored!.bytes, on.mesh.trustRoot), 'STATEMENT_REJECTED');
    service = await on.start(); // the true one, which goes on above
    await eventually(async () => expect((await published()).version).toBeGreaterThan(version + 1));
    expect((await published()).statements).not.toContain(forged.statement);
  });

  it('speaks for nobody with its issuer key: it can let a stranger onto the bus as anybody, but the channel needs the principal’s own key', async () => {
    const victim = on.mesh.addPrincipal('victim', ['operator']);
    const stranger = makeTestPrincipal('victim');
    await service.kill('SIGKILL');
    const callout = serveAuthCallout({
      nats: (await on.mesh.connectAs('policy')).nats,
      issuer: nkeyPairOf(on.mesh.calloutIssuerSeed),
      xkey: fromCurveSeed(on.mesh.calloutXkeySeed.expose()),
      clock: systemClock,
      admit: () =>
        Promise.resolve({
          principal: 'victim',
          purpose: 'principal',
          account: ACCOUNTS.clients,
          permissions: clientPermissions('victim'),
          expiresAtMs: systemClock.now() + HOUR,
        }),
      onAnswered: () => undefined,
    });
    const ask = async (signingKey: SigningKey) => {
      const { caller } = await on.callerOf({ ...stranger, signingKey });
      return caller.call(certifyChannelKey, { publicKey: signingKey.publicKeyText });
    };
    await expectCode(ask(stranger.signingKey), 'CHANNEL_REJECTED');
    await expectCode(ask(victim.signingKey), 'DENIED'); // the control: with the victim's key the vault hears it
    await callout.stop();
    service = await on.start();
  });
});
