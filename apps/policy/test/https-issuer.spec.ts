import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { makeSessionKeys, openIdentitySession } from '@keymesh/client';
import { setIdentityRule } from '@keymesh/contracts';
import { signStatement } from '@keymesh/policy-engine';
import { eventually, expectCode, makeCertificate, type ServiceProcess } from '@keymesh/testing';
import { signToken, startLocalIssuer, type LocalIssuer } from './support/local-issuer.js';
import { startPolicyMesh, type PolicyMesh } from './support/policy-mesh.js';

// Issuers of one's own behind TLS: the authority that signed their certificates is Node's to know, by NODE_EXTRA_CA_CERTS, as docs/operations/identity.md says.
const authority = makeCertificate({ commonName: 'authority', isAuthority: true });
const DAY_MS = 86_400_000;
const SLOW_MS = 8_000;
const WAIT = { timeoutMs: 40_000 };

let on: PolicyMesh;
let service: ServiceProcess;
let folder: string;
const issuers: LocalIssuer[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keymesh-https-'));
  const caFile = join(folder, 'authority.pem');
  await writeFile(caFile, authority.pem);
  on = await startPolicyMesh({ environment: { NODE_EXTRA_CA_CERTS: caFile } });
  service = await on.start();
  await on.enrol('deploy-bot', ['auditor']);
}, 120_000);
afterAll(async () => {
  await service.kill('SIGTERM');
  for (const issuer of issuers) await issuer.stop();
  await on.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

type CertificateOptions = NonNullable<Parameters<typeof makeCertificate>[0]>;
const HERE: CertificateOptions = {
  ...{ commonName: 'issuer', usages: ['server'], names: [['ip', '127.0.0.1']] },
};
const GOOD: CertificateOptions = { ...HERE, by: authority };

async function startIssuer(certificate = GOOD): Promise<LocalIssuer> {
  const { pem, keyPem } = makeCertificate(certificate);
  const issuer = await startLocalIssuer({ cert: pem, key: keyPem });
  issuers.push(issuer);
  return issuer;
}

async function allow({ url: issuer }: LocalIssuer): Promise<void> {
  const identity = { kind: 'token', issuer, audience: 'keymesh', claims: { sub: 'deploy-bot' } } as const;
  const statement = signStatement(
    {
      ...{ v: 1, meshId: on.mesh.trustRoot.meshId, statementId: randomUUID(), issuer: 'operator' },
      ...{ issuedAt: new Date().toISOString(), type: 'identity-rule.set', basedOn: null },
      ruleId: `deploy-bot-${new URL(issuer).port}`,
      rule: {
        ...{ principal: 'deploy-bot', maxSessionSeconds: 600, privileged: false },
        identity: { ...identity, keys: { from: 'discovery' } },
      },
    },
    on.operator.signingKey,
  );
  const { caller, connection } = await on.callerOf(on.operator);
  await caller.call(setIdentityRule, { statement });
  await connection.close();
}

async function open({ url, keys: [key] }: LocalIssuer): Promise<string> {
  const now = Math.floor(Date.now() / 1_000);
  const claims = { iss: url, aud: 'keymesh', sub: 'deploy-bot', iat: now, exp: now + 300 };
  const tokenFile = join(folder, randomUUID());
  await writeFile(tokenFile, await signToken(key!, claims));
  const { meshId, meshPublicKey } = on.mesh.trustRoot;
  const place = { natsUrl: on.mesh.url, meshId, meshPublicKey };
  return (await openIdentitySession(place, { tokenFile }, makeSessionKeys())).principal;
}

/** Lines of the service's log about this issuer's keys. */
const told = ({ url }: LocalIssuer): readonly string[] =>
  service
    .text()
    .split('\n')
    .filter((line) => line.includes('keys of an issuer could not be fetched') && line.includes(url));

describe('an issuer that is asked over https', () => {
  it('gives its keys where its authority is known', async () => {
    const issuer = await startIssuer();
    await allow(issuer);
    expect(await open(issuer)).toBe('deploy-bot');
    expect(told(issuer)).toEqual([]);
  }, 60_000);

  const other = makeCertificate({ commonName: 'authority', isAuthority: true });
  it.each<[string, CertificateOptions]>([
    ['of another authority of the same name', { ...HERE, by: other }],
    ['that it signed itself', HERE],
    ['for another place', { ...GOOD, names: [['ip', '127.0.0.2']] }],
    [
      'that is over',
      { ...GOOD, notBefore: new Date(Date.now() - 2 * DAY_MS), notAfter: new Date(Date.now() - DAY_MS) },
    ],
    ['for clients', { ...GOOD, usages: ['client'] }],
  ])(
    'gives nothing with a certificate %s; the log says what to do',
    async (_what, over) => {
      const issuer = await startIssuer(over);
      await allow(issuer);
      await expectCode(open(issuer), 'IDENTITY_REJECTED');
      await eventually(
        () => expect(told(issuer)).toEqual([expect.stringContaining('NODE_EXTRA_CA_CERTS')]),
        WAIT,
      );
      expect(issuer.asked).toBe(0);
    },
    60_000,
  );

  it.each<[string, string, (issuer: LocalIssuer) => NonNullable<LocalIssuer['answer']>]>([
    [
      'sends us to plain HTTP on another machine',
      'sends us elsewhere',
      () => () => 'http://192.0.2.1/.well-known/openid-configuration',
    ],
    [
      'sends us to another path of its own',
      'sends us elsewhere',
      ({ url }) =>
        (path) =>
          path === '/keys' ? `${url}/others` : undefined,
    ],
    [
      'answers with much',
      'larger than 256 KiB',
      () => () => JSON.stringify({ keys: [], more: 'x'.repeat(300_000) }),
    ],
    ['answers with anything', 'no JSON', () => () => 'secret-looking rubbish'],
    [
      'names keys at a place without TLS',
      'over https only',
      ({ url }) =>
        (path) =>
          path.startsWith('/.well')
            ? JSON.stringify({ issuer: url, jwks_uri: 'http://192.0.2.1/keys' })
            : undefined,
    ],
    [
      'takes its time',
      'longer than five seconds',
      () => () => new Promise((resolve) => setTimeout(resolve, SLOW_MS, '{}')),
    ],
  ])(
    'gives nothing when it %s; the log says so, and repeats nothing',
    async (_what, sentence, answer) => {
      const issuer = await startIssuer();
      issuer.answer = answer(issuer);
      await allow(issuer);
      // Slower than a caller's patience: it hears nothing, or no. Never yes.
      const outcome = await open(issuer).catch((error: unknown) => (error as { code?: string }).code);
      expect(['IDENTITY_REJECTED', 'DEADLINE_EXCEEDED']).toContain(outcome);
      await eventually(() => expect(told(issuer)).toEqual([expect.stringContaining(sentence)]), WAIT);
      expect(service.text()).not.toContain('rubbish');
      await eventually(() =>
        expect(on.records('session.opened').map(({ facts }) => facts?.reason)).toContain('keys-unavailable'),
      );
    },
    60_000,
  );
});
