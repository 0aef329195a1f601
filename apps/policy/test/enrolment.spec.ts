import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  addPrincipalKeys,
  createPrincipal,
  describePrincipal,
  disablePrincipal,
  enablePrincipal,
  enrolPrincipal,
  listPrincipals,
  lockPrincipal,
  removePrincipalKeys,
  rpcSubject,
  setPrincipalAttributes,
  subjects,
  unlockPrincipal,
} from '@keymesh/contracts';
import { systemClock } from '@keymesh/kernel';
import { callPlain, getPolicyBundle, type MeshConnection } from '@keymesh/mesh';
import { openBundle, proveKey, signStatement } from '@keymesh/policy-engine';
import { eventually, expectCode, makeTestPrincipal, type ServiceProcess } from '@keymesh/testing';
import { makeInvitation, statusStatement } from './support/invitations.js';
import { startPolicyMesh, type PolicyMesh } from './support/policy-mesh.js';

let on: PolicyMesh;
let service: ServiceProcess;

beforeAll(async () => {
  on = await startPolicyMesh();
  service = await on.start();
}, 120_000);
afterAll(async () => {
  await service.kill('SIGTERM');
  await on.stop();
});

/** Resolves with how long it took, in milliseconds, until the server closed the connection. */
function untilCut({ nats }: MeshConnection): Promise<number> {
  const from = performance.now();
  return (async () => {
    for await (const status of nats.status()) if (status.type === 'disconnect') break;
    return performance.now() - from;
  })();
}

/** Errors that the server sent to this connection. */
function refusalsOf({ nats }: MeshConnection): string[] {
  const refused: string[] = [];
  void (async () => {
    for await (const status of nats.status()) if (status.type === 'error') refused.push(status.error.message);
  })();
  return refused;
}

describe('enrolment, as a client does it', () => {
  it('goes from token to own keys, and every step is in the journal', async () => {
    const invitation = await on.invite('billing');
    const connection = await on.connectWithToken(invitation);
    const reply = await callPlain(connection, 'billing', enrolPrincipal, {
      statement: invitation.complete(),
    });
    expect(reply).toMatchObject({ principal: 'billing', meshPublicKey: on.mesh.trustRoot.meshPublicKey });
    const { caller } = await on.callerOf(invitation.own);
    // It is known, and its channel opens: DENIED comes from the policy, inside the channel.
    await expectCode(caller.call(listPrincipals, {}), 'DENIED');
    await eventually(() => {
      const types = on
        .records()
        .map(({ type, outcome, principal }) => `${type} ${outcome} ${principal ?? ''}`);
      for (const expected of [
        'principal.created success operator',
        'connection.opened success operator',
        'connection.opened success billing',
        'principal.enrolled success billing',
        'principal.listed denied billing',
      ])
        expect(types).toContain(expected);
    });
  });

  it('publishes the bundle before it answers', async () => {
    const invitation = await on.invite('at-once');
    const stored = await getPolicyBundle(await on.mesh.connectAs('vault'));
    const { directory } = openBundle(stored!.bytes, on.mesh.trustRoot);
    expect(directory.find('at-once')?.status).toBe('invited');
    expect(directory.enrolmentOf('at-once')?.tokenNkey).toBe(invitation.tokenNkey.publicKey);
  });

  it('lets the bearer of a token do that one thing', async () => {
    const connection = await on.connectWithToken(await on.invite('narrow'));
    const refused = refusalsOf(connection);
    for (const subject of [
      rpcSubject(listPrincipals, 'narrow'),
      rpcSubject(enrolPrincipal, 'billing'),
      '$JS.API.INFO',
    ])
      connection.nats.publish(subject, '{}');
    for (const subject of [subjects.pushTo('narrow'), subjects.rpcAll])
      connection.nats.subscribe(subject, { callback: () => undefined });
    await connection.nats.flush();
    await eventually(() => expect(refused).toHaveLength(5));
  });

  it('refuses a token that was used: to connect, and for other keys on a connection that is still open', async () => {
    const invitation = await on.invite('once');
    const early = await on.connectWithToken(invitation);
    await callPlain(early, 'once', enrolPrincipal, { statement: invitation.complete() });
    const thief = makeTestPrincipal('once');
    await expectCode(
      callPlain(early, 'once', enrolPrincipal, { statement: invitation.complete(thief) }),
      'ENROLMENT_REJECTED',
    );
    await expectCode(on.connectWithToken(invitation), 'DENIED');
    await expectCode(on.connect('once', thief.nkeySeed), 'DENIED');
    // The one who lost the answer may ask again.
    expect(
      await callPlain(early, 'once', enrolPrincipal, { statement: invitation.complete() }),
    ).toMatchObject({ principal: 'once' });
  });

  it('refuses a token that has expired', async () => {
    const invitation = await on.invite('late', ['reader'], 1_500);
    const early = await on.connectWithToken(invitation);
    await eventually(() => expectCode(on.connectWithToken(invitation), 'DENIED'));
    await expectCode(
      callPlain(early, 'late', enrolPrincipal, { statement: invitation.complete() }, { deadlineMs: 2_000 }),
      'ENROLMENT_REJECTED',
    ).catch((error: unknown) => expect(String(error)).toMatch(/UNAVAILABLE|DEADLINE|MESH_NOT_RUNNING/)); // its JWT may have ended first
    const { caller } = await on.callerOf(on.operator);
    const { principals } = await caller.call(listPrincipals, {});
    expect(principals.find(({ name }) => name === 'late')?.status).toBe('invited');
  });

  it('refuses invitations that no operator of this mesh signed', async () => {
    const { caller } = await on.callerOf(on.operator);
    const forged = makeInvitation(
      { ...on.mesh, operator: makeTestPrincipal('operator') },
      'forged',
      systemClock,
    );
    await expectCode(caller.call(createPrincipal, { statement: forged.statement }), 'STATEMENT_REJECTED');
    await expectCode(on.connectWithToken(forged), 'DENIED');
  });

  it('refuses strangers, with records of it', async () => {
    await expectCode(on.connect('stranger', makeTestPrincipal('stranger').nkeySeed), 'DENIED');
    await eventually(() => {
      const reasons = on.records('connection.refused').map(({ facts }) => facts?.reason);
      expect(reasons).toContain('unknown-key');
    });
  });
});

describe('taking away', () => {
  it('cuts the connections of a disabled principal within a second, and lets it in again only by an operator’s statement', async () => {
    const off = await on.enrol('off');
    const { caller: operator } = await on.callerOf(on.operator);
    const connections = await Promise.all([1, 2, 3].map(() => on.connect('off', off.nkeySeed)));
    const cut = connections.map(untilCut);
    await operator.call(disablePrincipal, { principal: 'off', reason: 'spec' });
    for (const ms of await Promise.all(cut)) expect(ms).toBeLessThan(1_000);
    await expectCode(on.connect('off', off.nkeySeed), 'DENIED');
    await Promise.all(connections.map((connection) => connection.nats.close()));

    const statement = statusStatement(on.mesh, 'off', 'active', systemClock);
    await operator.call(enablePrincipal, { statement });
    await on.connect('off', off.nkeySeed);
    await eventually(() => {
      const types = on
        .records()
        .filter(({ resource }) => resource?.id === 'off')
        .map(({ type }) => type);
      expect(types).toEqual(expect.arrayContaining(['principal.disabled', 'principal.enabled']));
    });
  });

  it('cuts the connections of a removed nkey, and leaves those of the principal’s other nkey', async () => {
    const old = await on.enrol('rotating');
    const renewed = makeTestPrincipal('rotating');
    const said = () => ({
      v: 1 as const,
      meshId: on.mesh.trustRoot.meshId,
      statementId: randomUUID(),
      issuedAt: new Date().toISOString(),
      issuer: 'rotating',
      principal: 'rotating',
    });
    const adding = said();
    const channelKeys = [
      { key: renewed.signingKey.publicKeyText, proof: proveKey(adding, renewed.signingKey) },
    ];
    const { caller } = await on.callerOf(old);
    await caller.call(addPrincipalKeys, {
      statement: signStatement(
        { ...adding, type: 'principal.keys-added', nkeys: [renewed.publicNkey], channelKeys },
        old.signingKey,
      ),
    });
    const [before, after] = [await on.connect('rotating', old.nkeySeed), await on.callerOf(renewed)];
    let afterWasCut = false;
    void untilCut(after.connection).then(() => (afterWasCut = true));
    const cut = untilCut(before);
    await after.caller.call(removePrincipalKeys, {
      statement: signStatement(
        {
          ...said(),
          type: 'principal.keys-removed',
          nkeys: [old.publicNkey],
          channelKeys: [old.signingKey.publicKeyText],
        },
        renewed.signingKey,
      ),
    });
    expect(await cut).toBeLessThan(1_500);
    await expectCode(on.connect('rotating', old.nkeySeed), 'DENIED');
    const { nkeys } = await after.caller.call(describePrincipal, { principal: 'rotating' });
    expect(nkeys).toEqual([renewed.publicNkey]);
    expect(afterWasCut).toBe(false);
  });

  it('admits a principal from its networks only, and cuts it where they no longer hold', async () => {
    const roaming = await on.enrol('roaming');
    const connection = await on.connect('roaming', roaming.nkeySeed);
    const { caller: operator } = await on.callerOf(on.operator);
    const set = (networks: string[]) =>
      operator.call(setPrincipalAttributes, {
        statement: signStatement(
          {
            v: 1,
            meshId: on.mesh.trustRoot.meshId,
            statementId: randomUUID(),
            issuedAt: new Date().toISOString(),
            issuer: 'operator',
            type: 'principal.attributes-set',
            principal: 'roaming',
            attributes: { networks },
          },
          on.operator.signingKey,
        ),
      });
    const cut = untilCut(connection);
    await set(['192.0.2.0/24']);
    expect(await cut).toBeLessThan(1_500);
    await expectCode(on.connect('roaming', roaming.nkeySeed), 'DENIED');
    await set(['127.0.0.0/8', '::1/128']);
    await on.connect('roaming', roaming.nkeySeed);
  });

  it('also cuts a connection that nobody remembers', async () => {
    const lost = await on.enrol('forgotten');
    const connection = await on.connect('forgotten', lost.nkeySeed);
    await on.sql(`DELETE FROM connection WHERE principal = 'forgotten'`);
    const cut = untilCut(connection);
    const { caller } = await on.callerOf(on.operator);
    await caller.call(disablePrincipal, { principal: 'forgotten', reason: 'spec' });
    expect(await cut).toBeLessThan(1_500);
  });

  it('locks for a while: no calls, no new connections; then all is as before, without anybody', async () => {
    const burst = await on.enrol('burst', ['auditor']);
    const { caller } = await on.callerOf(burst);
    await caller.call(listPrincipals, {});
    const { caller: operator } = await on.callerOf(on.operator);
    await operator.call(lockPrincipal, { principal: 'burst', lockSeconds: 2, reason: 'spec' });
    await expectCode(caller.call(listPrincipals, {}), 'PRINCIPAL_LOCKED');
    await expectCode(on.connect('burst', burst.nkeySeed), 'DENIED');
    await eventually(() => caller.call(listPrincipals, {}));
    await on.connect('burst', burst.nkeySeed);
  });

  it('is locked by the detector, unlocked by operators only; operators are never locked', async () => {
    const noisy = await on.enrol('noisy');
    const { caller: detector } = await on.callerOf(on.mesh.identities['anomaly-detector']);
    await detector.call(lockPrincipal, { principal: 'noisy', lockSeconds: 600, reason: 'denied-burst' });
    await expectCode(on.connect('noisy', noisy.nkeySeed), 'DENIED');
    await expectCode(detector.call(unlockPrincipal, { principal: 'noisy' }), 'DENIED');
    await expectCode(
      detector.call(lockPrincipal, { principal: 'operator', lockSeconds: 600, reason: 'x' }),
      'DENIED',
    );
    await expectCode(detector.call(disablePrincipal, { principal: 'noisy', reason: 'x' }), 'DENIED');
    const { caller: operator } = await on.callerOf(on.operator);
    await operator.call(unlockPrincipal, { principal: 'noisy' });
    await on.connect('noisy', noisy.nkeySeed);
  });

  it('puts a siem principal into its own account: the feed and nothing else; a lock cuts it', async () => {
    const splunk = await on.enrol('splunk', ['siem']);
    const connection = await on.connect('splunk', splunk.nkeySeed);
    const heard: string[] = [];
    connection.nats.subscribe(subjects.auditAll, { callback: (_error, msg) => void heard.push(msg.subject) });
    await connection.nats.flush();
    const audit = await on.mesh.connectAs('audit');
    await eventually(() => {
      audit.nats.publish(subjects.audit('vault', 'credential', 'retrieved'), '{}');
      expect(heard).not.toEqual([]);
    });
    const refused = refusalsOf(connection);
    connection.nats.publish(rpcSubject(listPrincipals, 'splunk'), '{}');
    connection.nats.publish(subjects.audit('vault', 'credential', 'retrieved'), '{}');
    await connection.nats.flush();
    await eventually(() => expect(refused).toHaveLength(2));
    const cut = untilCut(connection);
    const { caller } = await on.callerOf(on.operator);
    await caller.call(lockPrincipal, { principal: 'splunk', lockSeconds: 60, reason: 'spec' });
    expect(await cut).toBeLessThan(1_500);
  });
});
