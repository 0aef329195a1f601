import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  connect,
  makeSessionKeys,
  openIdentitySession,
  type IdentityProfile,
  type SessionKeyPair,
} from '@keymesh/client';
import {
  closeSession,
  describePrincipal,
  disablePrincipal,
  enablePrincipal,
  listIdentityRules,
  listPrincipals,
  openSession,
  SESSION_USER,
  sessionAskerOf,
  setIdentityRule,
  setPrincipalRoles,
  subjects,
  type StatementOf,
} from '@keymesh/contracts';
import { systemClock } from '@keymesh/kernel';
import { callPlain, connectMesh, getPolicyBundle, type Caller } from '@keymesh/mesh';
import { openBundle, signStatement } from '@keymesh/policy-engine';
import {
  eventually,
  expectCode,
  makeCertificate,
  type ServiceProcess,
  type TestPrincipal,
} from '@keymesh/testing';
import { statusStatement } from './support/invitations.js';
import { makeIssuerKey, signToken, startLocalIssuer, type LocalIssuer } from './support/local-issuer.js';
import { startPolicyMesh, type PolicyMesh } from './support/policy-mesh.js';

let on: PolicyMesh;
let service: ServiceProcess;
let issuer: LocalIssuer;
let folder: string;

beforeAll(async () => {
  [on, issuer, folder] = await Promise.all([
    startPolicyMesh(),
    startLocalIssuer(),
    mkdtemp(join(tmpdir(), 'keymesh-identity-')),
  ]);
  service = await on.start();
}, 120_000);
afterAll(async () => {
  await service.kill('SIGTERM');
  await issuer.stop();
  await on.stop();
  await rm(folder, { recursive: true, force: true });
});

type Rule = NonNullable<StatementOf<'identity-rule.set'>['rule']>;
const setRule = async (ruleId: string, rule: Rule | null): Promise<void> => {
  const { caller } = await on.callerOf(on.operator);
  const { rules } = await caller.call(listIdentityRules, {});
  const statement = signStatement(
    {
      v: 1,
      meshId: on.mesh.trustRoot.meshId,
      statementId: randomUUID(),
      issuedAt: new Date().toISOString(),
      issuer: 'operator',
      type: 'identity-rule.set',
      ruleId,
      rule,
      basedOn: rules.find((known) => known.ruleId === ruleId)?.statementId ?? null,
    },
    on.operator.signingKey,
  );
  await caller.call(setIdentityRule, { statement });
};
const tokenRule = (principal: string, over: Partial<Rule> = {}): Rule => ({
  principal,
  identity: {
    kind: 'token',
    issuer: issuer.url,
    audience: 'keymesh',
    claims: { sub: principal },
    keys: { from: 'discovery' },
  },
  maxSessionSeconds: 600,
  privileged: false,
  ...over,
});

const seconds = (fromNow: number): number => Math.floor(Date.now() / 1_000) + fromNow;
const writeToken = async (sub: string, claims = {}, key = issuer.keys[0]!): Promise<string> => {
  const token = await signToken(key, {
    ...{ iss: issuer.url, aud: 'keymesh', sub, iat: seconds(0), exp: seconds(300) },
    ...claims,
  });
  const file = join(folder, randomUUID());
  await writeFile(file, `${token}\n`);
  return file;
};
const place = () => ({
  natsUrl: on.mesh.url,
  meshId: on.mesh.trustRoot.meshId,
  meshPublicKey: on.mesh.trustRoot.meshPublicKey,
});
const profileOf = (identity: IdentityProfile['identity']): IdentityProfile => ({
  v: 1,
  name: 'identity',
  ...place(),
  identity,
});
const open = async (sub: string, claims = {}, key = issuer.keys[0]!) =>
  openIdentitySession(place(), { tokenFile: await writeToken(sub, claims, key) }, makeSessionKeys());

const until = (timeMs: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, Math.max(0, timeMs + 50 - Date.now())));
/** Its connection may be cut before the service can say no. */
const isAnswered = (caller: Caller): Promise<boolean> =>
  caller.call(listPrincipals, {}, { deadlineMs: 1_000 }).then(
    () => true,
    () => false,
  );
const asPrincipal = (name: string, keys: SessionKeyPair): TestPrincipal => ({
  ...{ name, kind: 'service', roles: [] },
  ...{ nkeySeed: keys.nkeySeed, publicNkey: keys.nkey },
  ...{ signingKey: keys.signingKey, signingSeed: keys.channelSeed },
});

describe('a client with a token', () => {
  it('is its rule’s principal, end to end, until the token ends', async () => {
    await on.enrol('deploy-bot', ['auditor']);
    await setRule('deploy-bot', tokenRule('deploy-bot'));
    const tokenFile = await writeToken('deploy-bot');
    await using keymesh = await connect({ profile: profileOf({ tokenFile }) });
    expect(keymesh.principal).toBe('deploy-bot');
    const { principals } = await keymesh.call(listPrincipals, {});
    expect(principals.map(({ name }) => name)).toContain('deploy-bot');
    const { sessions } = await keymesh.call(describePrincipal, { principal: 'deploy-bot' });
    expect(sessions).toMatchObject([{ ruleId: 'deploy-bot' }]);
    expect(Date.parse(sessions![0]!.expiresAt)).toBeLessThanOrEqual(seconds(301) * 1_000);
    const stored = await getPolicyBundle(await on.mesh.connectAs('vault'));
    const { bundle } = openBundle(stored!.bytes, on.mesh.trustRoot);
    expect(bundle.sessions).toMatchObject([{ principal: 'deploy-bot', ruleId: 'deploy-bot' }]);
    await eventually(() =>
      expect(on.records('session.opened')).toMatchObject([
        { outcome: 'success', principal: 'deploy-bot', facts: { ruleId: 'deploy-bot', proof: 'token' } },
      ]),
    );
  });

  it('is prolonged with the same keys and a newer token, and loses all when the session ends', async () => {
    await on.enrol('short', ['auditor']);
    await setRule('short', tokenRule('short'));
    const keys = makeSessionKeys();
    const openUntil = async (inSeconds: number) =>
      openIdentitySession(
        place(),
        { tokenFile: await writeToken('short', { exp: seconds(inSeconds) }) },
        keys,
      );
    const first = await openUntil(15);
    const { caller, connection } = await on.callerOf(asPrincipal('short', keys));
    await caller.call(listPrincipals, {});
    const second = await openUntil(18);
    expect(Date.parse(second.expiresAt)).toBeGreaterThan(Date.parse(first.expiresAt));
    const { sessions } = await caller.call(describePrincipal, { principal: 'short' });
    expect(sessions).toHaveLength(1);
    await until(Date.parse(second.expiresAt));
    expect(await isAnswered(caller)).toBe(false);
    await expectCode(on.connect('short', keys.nkeySeed), 'DENIED');
    await connection.nats.close();
  });

  it('reads the token’s file again each time, because it is replaced', async () => {
    await on.enrol('rotating-token', ['auditor']);
    await setRule('rotating-token', tokenRule('rotating-token'));
    const keys = makeSessionKeys();
    const tokenFile = await writeToken('rotating-token', { exp: seconds(-60) });
    await expectCode(openIdentitySession(place(), { tokenFile }, keys), 'IDENTITY_REJECTED');
    await rename(await writeToken('rotating-token'), tokenFile);
    expect(await openIdentitySession(place(), { tokenFile }, keys)).toMatchObject({
      principal: 'rotating-token',
    });
  });
});

describe('a session', () => {
  it('is opened by a token that nobody on the way reads, nor anybody in the bundle', async () => {
    await on.enrol('secretive', ['auditor']);
    await setRule('secretive', tokenRule('secretive'));
    const keys = makeSessionKeys();
    const tokenFile = await writeToken('secretive');
    const [head = '', claims = '', signature = ''] = (await readFile(tokenFile, 'utf8')).trim().split('.');
    // What the broker carries to the policy service, as the service itself gets it.
    const carried: string[] = [];
    const wire = await on.mesh.connectAs('policy');
    wire.nats.subscribe(subjects.rpcOf('policy'), {
      callback: (_error, msg) =>
        void carried.push(`${msg.subject} ${Buffer.from(msg.data).toString('latin1')}`),
    });
    await wire.nats.flush();
    await openIdentitySession(place(), { tokenFile }, keys);
    const stored = await getPolicyBundle(wire);
    const seen = [...carried, Buffer.from(stored!.bytes).toString('latin1')].join(' ');
    // The control: the request itself was seen, under the name that is nobody's.
    expect(seen).toContain(`${sessionAskerOf(keys.nkey)}.policy.session.open`);
    for (const part of [claims, signature, `${head}.${claims}`]) {
      expect(seen).not.toContain(part);
      expect(seen).not.toContain(Buffer.from(part, 'base64url').toString('latin1'));
    }
  });

  it('outlives the policy service being killed, and takes a new one all the same', async () => {
    await on.enrol('surviving', ['auditor']);
    await setRule('surviving', tokenRule('surviving'));
    const keys = makeSessionKeys();
    await openIdentitySession(place(), { tokenFile: await writeToken('surviving') }, keys);
    const { caller } = await on.callerOf(asPrincipal('surviving', keys));
    await service.kill('SIGKILL');
    service = await on.start();
    await eventually(() => caller.call(listPrincipals, {}), { timeoutMs: 30_000 });
    await (await on.connect('surviving', keys.nkeySeed)).close();
    expect(await open('surviving')).toMatchObject({ principal: 'surviving' });
  });

  it('does not come back with a database that was put back without it', async () => {
    await on.enrol('not-restored', ['auditor']);
    await setRule('not-restored', tokenRule('not-restored'));
    const keys = makeSessionKeys();
    await openIdentitySession(place(), { tokenFile: await writeToken('not-restored') }, keys);
    const readers = async () => {
      const stored = await getPolicyBundle(await on.mesh.connectAs('vault'));
      return openBundle(stored!.bytes, on.mesh.trustRoot).directory.findSession(keys.nkey);
    };
    expect(await readers()).toBeDefined();
    await service.kill('SIGKILL');
    await on.sql('DELETE FROM session');
    service = await on.start();
    await eventually(async () => expect(await readers()).toBeUndefined(), { timeoutMs: 30_000 });
    await expectCode(on.connect('not-restored', keys.nkeySeed), 'DENIED');
  });
});

describe('a proof that is refused', () => {
  const reasons = () =>
    on
      .records('session.opened')
      .flatMap(({ outcome, facts }) => (outcome === 'denied' ? [facts?.reason] : []));

  it('is told one thing, whatever it was, and the record says which', async () => {
    await on.enrol('told', ['auditor']);
    await setRule('told', tokenRule('told'));
    for (const work of [
      open('nobody'),
      open('told', { aud: 'other' }),
      open('told', { exp: seconds(-60) }),
      open('told', {}, makeIssuerKey('ES256', issuer.keys[0]!.kid)),
    ])
      await expectCode(work, 'IDENTITY_REJECTED');
    await setRule('told-too', {
      ...tokenRule('told'),
      identity: { ...tokenRule('told').identity, claims: { told: true } } as Rule['identity'],
    });
    await expectCode(open('told', { told: true }), 'IDENTITY_REJECTED');
    await setRule('told-too', null);
    await eventually(() =>
      expect(reasons()).toEqual(expect.arrayContaining(['claims', 'audience', 'expired', 'signature'])),
    );
    for (const record of on.records('session.opened'))
      expect(JSON.stringify(record)).not.toMatch(/eyJ|nobody/);
  });

  it('opens nothing for who is disabled, and what was open is gone for good', async () => {
    await on.enrol('gone', ['auditor']);
    await setRule('gone', tokenRule('gone'));
    const keys = makeSessionKeys();
    const tokenFile = await writeToken('gone');
    await openIdentitySession(place(), { tokenFile }, keys);
    const { caller, connection } = await on.callerOf(asPrincipal('gone', keys));
    await caller.call(listPrincipals, {});
    let cut = false;
    void connection.nats.closed().then(() => (cut = true));
    const disconnected = (async () => {
      for await (const { type } of connection.nats.status()) if (type === 'disconnect') return true;
      return cut;
    })();
    const { caller: operator } = await on.callerOf(on.operator);
    await operator.call(disablePrincipal, { principal: 'gone', reason: 'spec' });
    expect(await disconnected).toBe(true);
    await expectCode(openIdentitySession(place(), { tokenFile }, keys), 'IDENTITY_REJECTED');
    await operator.call(enablePrincipal, {
      statement: statusStatement(on.mesh, 'gone', 'active', systemClock),
    });
    await expectCode(on.connect('gone', keys.nkeySeed), 'DENIED');
    await connection.nats.close();
    expect(await openIdentitySession(place(), { tokenFile }, keys)).toMatchObject({ principal: 'gone' });
  });

  it('ends its sessions with its rule, and one by itself', async () => {
    await on.enrol('ended', ['auditor']);
    await setRule('ended', tokenRule('ended'));
    const [one, two] = [makeSessionKeys(), makeSessionKeys()];
    for (const keys of [one, two])
      await openIdentitySession(place(), { tokenFile: await writeToken('ended') }, keys);
    const { caller, connection } = await on.callerOf(asPrincipal('ended', two));
    await caller.call(closeSession, { principal: 'ended', nkey: one.nkey });
    await expectCode(on.connect('ended', one.nkeySeed), 'DENIED');
    await caller.call(listPrincipals, {});
    await setRule('ended', null);
    await expectCode(on.connect('ended', two.nkeySeed), 'DENIED');
    expect(await isAnswered(caller)).toBe(false);
    await connection.nats.close();
  });

  it('is no operator’s, unless the rule says so; and signs nothing even then', async () => {
    await on.enrol('second-operator', ['operator']);
    await expectCode(setRule('second-operator', tokenRule('second-operator')), 'STATEMENT_REJECTED');
    await setRule('second-operator', tokenRule('second-operator', { privileged: true }));
    const keys = makeSessionKeys();
    await openIdentitySession(place(), { tokenFile: await writeToken('second-operator') }, keys);
    const session = asPrincipal('second-operator', keys);
    const { caller } = await on.callerOf(session);
    await caller.call(listIdentityRules, {});
    const statement = signStatement(
      {
        v: 1,
        meshId: on.mesh.trustRoot.meshId,
        statementId: randomUUID(),
        issuedAt: new Date().toISOString(),
        issuer: 'second-operator',
        type: 'principal.roles-set',
        principal: 'deploy-bot',
        before: ['auditor'],
        roles: ['operator'],
      },
      keys.signingKey,
    );
    await expectCode(caller.call(setPrincipalRoles, { statement }), 'STATEMENT_REJECTED');
  });

  it('can be asked for by anybody, who gets that one answer and hears nothing else', async () => {
    const keys = makeSessionKeys();
    const asker = sessionAskerOf(keys.nkey);
    const connection = await connectMesh({
      servers: on.mesh.url,
      nkeySeed: keys.nkeySeed,
      principal: asker,
      user: SESSION_USER,
    });
    const refused: string[] = [];
    void (async () => {
      for await (const status of connection.nats.status())
        if (status.type === 'error') refused.push(status.error.message);
    })();
    for (const subject of [
      'keymesh.v1.rpc.operator.policy.session.open',
      `keymesh.v1.rpc.${asker}.policy.principal.list`,
      `keymesh.v1.rpc.${asker}.vault.credential.retrieve`,
      '$JS.API.INFO',
    ])
      connection.nats.publish(subject, '{}');
    for (const subject of [subjects.pushTo(asker), subjects.rpcAll, '_INBOX_operator.>', '_INBOX.>'])
      connection.nats.subscribe(subject, { callback: () => undefined });
    await connection.nats.flush();
    await eventually(() => expect(refused).toHaveLength(8));
    await expectCode(
      callPlain(connection, asker, openSession, { keyId: '0'.repeat(32), sealed: 'AAAA' }),
      'CHANNEL_EXPIRED',
    );
    await connection.close();
    // The control: without saying so, a key that nobody knows stays out.
    await expectCode(on.connect(asker, keys.nkeySeed), 'DENIED');
  });
});

describe('a client with a certificate', () => {
  it('is its rule’s principal by what the certificate’s key signed', async () => {
    await on.enrol('spiffe', ['auditor']);
    const authority = makeCertificate({ commonName: 'authority', isAuthority: true });
    const names = [['uri', 'spiffe://example.org/spiffe']] as const;
    const leaf = makeCertificate({ commonName: 'x', by: authority, names, usages: ['client'] });
    const files = { certificateFile: join(folder, 'leaf.pem'), keyFile: join(folder, 'leaf.key') };
    await writeFile(files.certificateFile, leaf.pem);
    await writeFile(files.keyFile, leaf.keyPem);
    await setRule('spiffe', {
      ...tokenRule('spiffe'),
      identity: { kind: 'certificate', authority: authority.pem, spiffeId: 'spiffe://example.org/spiffe' },
    });
    await using keymesh = await connect({ profile: profileOf(files) });
    expect(keymesh.principal).toBe('spiffe');
    await keymesh.call(listPrincipals, {});
    // Another's certificate under the same name is nobody's.
    const other = makeCertificate({ commonName: 'authority', isAuthority: true });
    const forged = makeCertificate({ commonName: 'x', by: other, names, usages: ['client'] });
    await writeFile(files.certificateFile, forged.pem);
    await writeFile(files.keyFile, forged.keyPem);
    await expectCode(connect({ profile: profileOf(files) }), 'IDENTITY_REJECTED');
  });
});
