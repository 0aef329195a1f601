import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PolicyBundle, ServiceName } from '@keymesh/contracts';
import { toBase64Url, type Secret } from '@keymesh/kernel';
import { putPolicyBundle } from '@keymesh/mesh';
import { signBundle, signStatement } from '@keymesh/policy-engine';
import {
  bundleFloorMigration,
  channelKeyHandoverMigration,
  channelKeyMigration,
  migrateSchema,
  type Migration,
} from '@keymesh/postgres';
import {
  startTestMesh,
  startTestPostgres,
  type TestMesh,
  type TestPostgres,
  type TestPrincipal,
} from '@keymesh/testing';
import { commonConfig, parseConfig, type CommonConfig } from '../../src/index.js';

/** A mesh with Postgres, where services of this spec find what real ones find. */
export interface KitMesh {
  readonly mesh: TestMesh;
  readonly postgres: TestPostgres;
  /** A client with the role reader. */
  readonly app: TestPrincipal;
  /** The environment of a service, as the launcher makes it. */
  environmentOf(service: 'rotation' | 'vault', more?: Record<string, string>): Record<string, string>;
  configOf(service: 'rotation' | 'vault', more?: Record<string, string>): CommonConfig;
  /** Signs a bundle and puts it into the bucket, as the policy service does. */
  publishBundle(version: number): Promise<void>;
  /** Puts any bytes there. */
  publishBytes(bytes: Uint8Array): Promise<void>;
  bundleBytes(version: number): Uint8Array;
  readonly folder: string;
  stop(): Promise<void>;
}

const migrationOf = (schema: string): Migration =>
  class CreateChannelKey1795305600000 {
    readonly name = 'CreateChannelKey1795305600000';
    async up(runner: { query(sql: string): Promise<unknown> }): Promise<void> {
      await runner.query(channelKeyMigration(schema));
      await runner.query(bundleFloorMigration(schema));
      await runner.query(channelKeyHandoverMigration(schema));
    }
    down = (): Promise<void> => Promise.reject(new Error('forward only'));
  };

const textOf = (secret: Secret): string => Buffer.from(secret.expose()).toString('utf8');

export async function startKitMesh(): Promise<KitMesh> {
  const [mesh, postgres] = await Promise.all([startTestMesh(), startTestPostgres()]);
  const folder = await mkdtemp(join(tmpdir(), 'keymesh-kit-'));
  const app = mesh.addPrincipal('app', ['reader']);
  const services: ServiceName[] = ['rotation', 'vault', 'policy'];
  const files: Record<string, Record<string, string>> = {};
  const write = async (name: string, text: string): Promise<string> => {
    await writeFile(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  for (const schema of ['rotation', 'vault'] as const) {
    const { deployUrl: url, password } = postgres;
    await migrateSchema({
      url,
      password,
      schema,
      role: postgres.roleOf(schema),
      migrations: [migrationOf(schema)],
    });
    const { nkeySeed, signingSeed } = mesh.identities[schema];
    files[schema] = {
      KEYMESH_NATS_SEED_FILE: await write(`${schema}.nats.seed`, textOf(nkeySeed)),
      KEYMESH_SIGNING_SEED_FILE: await write(`${schema}.signing.seed`, toBase64Url(signingSeed.expose())),
      KEYMESH_STATE_KEY_FILE: await write(`${schema}.state.key`, toBase64Url(new Uint8Array(32).fill(5))),
      KEYMESH_CHANNEL_KEY_FOLDER: join(folder, 'channel-keys', schema),
      KEYMESH_DATABASE_URL: postgres.urlOf(schema),
    };
  }
  const trustFile = await write('trust.json', JSON.stringify(mesh.trustRoot));
  const statements = [...services.map((service) => mesh.identities[service]), app].map((principal, index) =>
    grantOf(mesh, principal, index),
  );
  const bundleBytes = (version: number): Uint8Array => {
    const bundle: PolicyBundle = {
      v: 1,
      meshId: mesh.trustRoot.meshId,
      version,
      issuedAt: new Date().toISOString(),
      statements,
      policies: [],
      taken: [],
    };
    return signBundle(bundle, mesh.bundleKey);
  };
  const policy = await mesh.connectAs('policy');
  const publishBytes = async (bytes: Uint8Array): Promise<void> => {
    await putPolicyBundle(policy, bytes);
  };
  const environmentOf: KitMesh['environmentOf'] = (service, more = {}) => ({
    KEYMESH_NATS_URL: mesh.url,
    KEYMESH_TRUST_FILE: trustFile,
    KEYMESH_DATABASE_PASSWORD_FILE: postgres.passwordFile,
    KEYMESH_LOG_LEVEL: process.env.KIT_LOG ?? 'silent',
    ...files[service],
    ...more,
  });
  return {
    mesh,
    postgres,
    app,
    folder,
    environmentOf,
    configOf: (service, more) => parseConfig(commonConfig, environmentOf(service, more)),
    publishBytes,
    bundleBytes,
    publishBundle: (version) => publishBytes(bundleBytes(version)),
    async stop() {
      await mesh.stop();
      await postgres.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const grantOf = (mesh: TestMesh, principal: TestPrincipal, index: number): string =>
  signStatement(
    {
      v: 1,
      meshId: mesh.trustRoot.meshId,
      type: 'principal.granted',
      statementId: `00000000-0000-7000-8000-00000000000${index}`,
      issuedAt: new Date().toISOString(),
      issuer: mesh.operator.name,
      principal: principal.name,
      kind: principal.kind,
      roles: principal.roles.length === 0 ? ['auditor'] : [...principal.roles],
      nkey: principal.publicNkey,
      channelKey: principal.signingKey.publicKeyText,
    },
    mesh.operator.signingKey,
  );
