import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, makeSessionKeys, openIdentitySession, type IdentityProfile } from '@keymesh/client';
import { listPrincipals, setIdentityRule } from '@keymesh/contracts';
import { connectMesh, type MeshTls } from '@keymesh/mesh';
import { signStatement } from '@keymesh/policy-engine';
import {
  eventually,
  expectCode,
  makeCertificate,
  type CertificateOptions,
  type ServiceProcess,
} from '@keymesh/testing';
import { startPolicyMesh, type PolicyMesh } from './support/policy-mesh.js';

// A NATS server that lets nobody connect without a certificate. The services have one; a workload's is also its identity.
const authority = makeCertificate({ commonName: 'authority', isAuthority: true });
let folder: string;
let on: PolicyMesh;
let service: ServiceProcess;

type Files = Required<MeshTls> & {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
};
async function issue(name: string, options: CertificateOptions = {}): Promise<Files> {
  const { pem, keyPem } = makeCertificate({
    commonName: name,
    by: authority,
    usages: ['client'],
    ...options,
  });
  const at = (suffix: string): string => join(folder, `${name}.${suffix}`);
  await writeFile(at('pem'), pem);
  await writeFile(at('key'), keyPem);
  return { caFile: join(folder, 'authority.pem'), certFile: at('pem'), keyFile: at('key') };
}
const workload = (name: string): Promise<Files> =>
  issue(name, { names: [['uri', `spiffe://example.org/${name}`]] });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keymesh-mutual-tls-'));
  await writeFile(join(folder, 'authority.pem'), authority.pem);
  // The NATS client knows a server by name; one that it reaches by address is `localhost` to it.
  const server = await issue('server', { names: [['dns', 'localhost']], usages: ['server'] });
  const client = await issue('services');
  on = await startPolicyMesh({
    tls: { server: { ...server, verifyClients: true }, client },
    environment: {
      KEYMESH_NATS_CA_FILE: client.caFile,
      KEYMESH_NATS_CERT_FILE: client.certFile,
      KEYMESH_NATS_KEY_FILE: client.keyFile,
    },
  });
  service = await on.start();
}, 120_000);
afterAll(async () => {
  await service.kill('SIGTERM');
  await on.stop();
  await rm(folder, { recursive: true, force: true });
});

async function allow(principal: string): Promise<void> {
  const { caller } = await on.callerOf(on.operator);
  const statement = signStatement(
    {
      v: 1,
      meshId: on.mesh.trustRoot.meshId,
      statementId: randomUUID(),
      issuedAt: new Date().toISOString(),
      issuer: 'operator',
      type: 'identity-rule.set',
      ruleId: principal,
      rule: {
        principal,
        identity: {
          ...{ kind: 'certificate', authority: authority.pem },
          spiffeId: `spiffe://example.org/${principal}`,
        },
        maxSessionSeconds: 600,
        privileged: false,
      },
      basedOn: null,
    },
    on.operator.signingKey,
  );
  await caller.call(setIdentityRule, { statement });
}

const place = (tls: MeshTls) => ({
  natsUrl: on.mesh.url,
  meshId: on.mesh.trustRoot.meshId,
  meshPublicKey: on.mesh.trustRoot.meshPublicKey,
  tls,
});
const source = ({ certFile, keyFile }: Files) => ({ certificateFile: certFile, keyFile });

describe('a NATS server that asks for certificates', () => {
  it('lets a workload in as its SPIFFE id’s principal', async () => {
    await on.enrol('billing', ['auditor']);
    await allow('billing');
    const files = await workload('billing');
    const profile: IdentityProfile = {
      v: 1,
      name: 'billing',
      ...place(files),
      tls: files,
      identity: source(files),
    };
    await using keymesh = await connect({ profile });
    expect(keymesh.principal).toBe('billing');
    await keymesh.call(listPrincipals, {});
  });

  it('lets nobody in without a certificate, or with one of another authority', async () => {
    const { nkeySeed } = await on.enrol('plain', ['auditor']);
    const connectWith = (tls: MeshTls) =>
      connectMesh({ servers: on.mesh.url, nkeySeed, principal: 'plain', tls });
    const caFile = join(folder, 'authority.pem');
    await expect(connectWith({ caFile })).rejects.toThrow();
    const other = makeCertificate({ commonName: 'authority', isAuthority: true });
    await expect(connectWith(await issue('stranger', { by: other }))).rejects.toThrow();
    // The control: with one it is let in, by its own keys, whatever the certificate says.
    await (await connectWith(await issue('anything'))).close();
  });

  it('lets a session by one certificate not come over a connection with another', async () => {
    await on.enrol('one', ['auditor']);
    await on.enrol('two', ['auditor']);
    await allow('one');
    await allow('two');
    const [one, two] = [await workload('one'), await workload('two')];
    const keys = makeSessionKeys();
    await openIdentitySession(place(one), source(one), keys);
    const connectWith = (tls: MeshTls) =>
      connectMesh({ servers: on.mesh.url, nkeySeed: keys.nkeySeed, principal: 'one', tls });
    await expectCode(connectWith(two), 'DENIED');
    await (await connectWith(one)).close();
    await eventually(() =>
      expect(on.records('connection.refused')).toMatchObject([
        { principal: 'one', facts: { reason: 'certificate' } },
      ]),
    );
  });
});
