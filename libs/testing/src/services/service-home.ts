import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SERVICES, type PolicyBundle, type ServiceName } from '@keymesh/contracts';
import { toBase64Url, type Secret } from '@keymesh/kernel';
import { putPolicyBundle } from '@keymesh/mesh';
import { signBundle, signStatement } from '@keymesh/policy-engine';
import type { TestPrincipal } from '../nats/identities.js';
import type { TestMesh } from '../nats/test-mesh.js';
import type { TestPostgres, TestSchema } from '../postgres.js';

/** What a launcher makes for services: their secrets as files, their environment, and a signed policy bundle. */
export interface ServiceHome {
  readonly folder: string;
  /** The environment of a service as it is documented. HTTP on any free port. */
  environmentOf(service: ServiceName, more?: Readonly<Record<string, string>>): Record<string, string>;
  /** Signs the next bundle, with grants of all services and these clients, and puts it into the bucket. */
  publishBundle(clients: readonly TestPrincipal[], taken?: PolicyBundle['taken']): Promise<void>;
  stop(): Promise<void>;
}

const textOf = (secret: Secret): string => Buffer.from(secret.expose()).toString('utf8'); // EXPOSE: a spec's own seed, into its file

/** Makes the home of services that a spec starts against this mesh and Postgres. */
export async function makeServiceHome(mesh: TestMesh, postgres: TestPostgres): Promise<ServiceHome> {
  const folder = await mkdtemp(join(tmpdir(), 'keymesh-home-'));
  const policy = await mesh.connectAs('policy');
  const write = async (name: string, text: string): Promise<string> => {
    await writeFile(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  const trustFile = await write('trust.json', JSON.stringify(mesh.trustRoot));
  const stateKeyFile = await write('state.key', toBase64Url(new Uint8Array(32).fill(7)));
  const own = new Map<ServiceName, Record<string, string>>();
  for (const service of SERVICES) {
    const { nkeySeed, signingSeed } = mesh.identities[service];
    own.set(service, {
      KEYMESH_NATS_SEED_FILE: await write(`${service}.nats.seed`, textOf(nkeySeed)),
      // EXPOSE: a spec's own seed, into its file.
      KEYMESH_SIGNING_SEED_FILE: await write(`${service}.signing.seed`, toBase64Url(signingSeed.expose())),
      KEYMESH_CHANNEL_KEY_FOLDER: join(folder, 'channel-keys', service),
      KEYMESH_DATABASE_URL: postgres.urlOf(service.replaceAll('-', '_') as TestSchema),
    });
  }
  let version = 0;
  // Operators' words are said once: a bundle has all of those before it.
  const statements = new Map<string, string>();
  return {
    folder,
    environmentOf: (service, more = {}) => ({
      KEYMESH_NATS_URL: mesh.url,
      KEYMESH_TRUST_FILE: trustFile,
      KEYMESH_STATE_KEY_FILE: stateKeyFile,
      KEYMESH_DATABASE_PASSWORD_FILE: postgres.passwordFile,
      KEYMESH_LOG_LEVEL: 'info',
      ...own.get(service),
      ...more,
    }),
    publishBundle: async (clients, taken = []) => {
      version += 1;
      const principals = [...SERVICES.map((service) => mesh.identities[service]), ...clients];
      for (const principal of principals)
        if (!statements.has(principal.name))
          statements.set(principal.name, grantOf(mesh, principal, statements.size));
      const bundle = bundleOf(mesh, version, [...statements.values()], taken);
      await putPolicyBundle(policy, signBundle(bundle, mesh.bundleKey));
    },
    stop: () => rm(folder, { recursive: true, force: true }),
  };
}

const bundleOf = (
  mesh: TestMesh,
  version: number,
  statements: string[],
  taken: PolicyBundle['taken'],
): PolicyBundle => ({
  v: 1,
  meshId: mesh.trustRoot.meshId,
  version,
  issuedAt: new Date().toISOString(),
  statements,
  policies: [],
  taken,
});

const grantOf = (
  mesh: TestMesh,
  { name, kind, roles, publicNkey, signingKey }: TestPrincipal,
  index: number,
): string =>
  signStatement(
    {
      v: 1,
      meshId: mesh.trustRoot.meshId,
      type: 'principal.granted',
      statementId: `00000000-0000-7000-8000-${String(index).padStart(12, '0')}`,
      issuedAt: new Date().toISOString(),
      issuer: mesh.operator.name,
      principal: name,
      kind,
      roles: [...roles],
      nkey: publicNkey,
      channelKey: signingKey.publicKeyText,
    },
    mesh.operator.signingKey,
  );
