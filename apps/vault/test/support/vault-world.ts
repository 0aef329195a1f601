import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PolicyBundle, Role } from '@keymesh/contracts';
import { fromBase64Url, Secret, systemClock } from '@keymesh/kernel';
import { makeCaller, type Caller } from '@keymesh/mesh';
import { makeDataSource, migrateSchema } from '@keymesh/postgres';
import { startService, type RunningService } from '@keymesh/service-kit';
import {
  makeServiceHome,
  startServiceProcess,
  startTestMesh,
  startTestPostgres,
  type ServiceHome,
  type ServiceProcess,
  type TestMesh,
  type TestPostgres,
  type TestPrincipal,
} from '@keymesh/testing';
import type { DataSource } from 'typeorm';
import { readVaultConfig, type KmsConfig, type VaultConfig } from '../../src/config.js';
import { openKms } from '../../src/kms/index.js';
import { vaultMigrations } from '../../src/migrations/index.js';
import { vaultEntities } from '../../src/store/entities/index.js';
import { addSystemKey } from '../../src/store/system-keys.js';
import { makeVaultService } from '../../src/vault.module.js';

/** A real mesh, a real Postgres and an initialised vault, as many instances of it as a spec wants. */
export interface VaultWorld {
  readonly mesh: TestMesh;
  readonly postgres: TestPostgres;
  readonly home: ServiceHome;
  /** Connected as the vault's own role, to look at its rows or tamper with them. */
  readonly rows: DataSource;
  /** The environment of the vault, for a process of its own. */
  environment(more?: Readonly<Record<string, string>>): Record<string, string>;
  /** Runs an instance in this process; resolves when it is ready. `change`: what the environment does not allow. */
  startVault(
    more?: Readonly<Record<string, string>>,
    change?: Partial<VaultConfig>,
  ): Promise<RunningService<VaultConfig>>;
  /** Runs the built service (`dist/main.js`) as a process of its own, to kill it; resolves when it is ready. */
  startVaultProcess(more?: Readonly<Record<string, string>>): Promise<ServiceProcess>;
  /** As {@link addPrincipal}, and connects it through the channel. */
  addClient(name: string, roles: readonly Role[]): Promise<Caller>;
  /** Connects a principal through the channel. */
  callerOf(principal: TestPrincipal): Promise<Caller>;
  /** Makes a principal and lets every instance know. */
  addPrincipal(name: string, roles: readonly Role[]): Promise<TestPrincipal>;
  /** A bundle that takes something away. */
  publish(taken: PolicyBundle['taken']): Promise<void>;
  /** Stops the instances of this process. */
  stopVaults(): Promise<void>;
  /** The rotation service's own identity. */
  asRotation(): Promise<Caller>;
  stop(): Promise<void>;
}

const MAIN = join(import.meta.dirname, '../../dist/main.js');

export async function migrateVault(postgres: TestPostgres): Promise<void> {
  const { deployUrl: url, password } = postgres;
  await migrateSchema({
    url,
    password,
    schema: 'vault',
    role: postgres.roleOf('vault'),
    migrations: vaultMigrations,
  });
}

export async function openRows(postgres: TestPostgres): Promise<DataSource> {
  return makeDataSource({
    url: postgres.urlOf('vault'),
    password: postgres.password,
    schema: 'vault',
    entities: vaultEntities,
    applicationName: 'spec',
    onPoolError: () => undefined,
  }).initialize();
}

/** @param kms variables of what keeps the root, if not a master key file. */
export async function startVaultWorld(kms?: Readonly<Record<string, string>>): Promise<VaultWorld> {
  const [mesh, postgres] = await Promise.all([startTestMesh(), startTestPostgres()]);
  const home = await makeServiceHome(mesh, postgres);
  const masterKeyFile = join(home.folder, 'master.key');
  await writeFile(masterKeyFile, randomBytes(32), { mode: 0o600 });
  await migrateVault(postgres);
  const rows = await openRows(postgres);

  const clients: TestPrincipal[] = [];
  const running: RunningService<VaultConfig>[] = [];
  const processes: ServiceProcess[] = [];
  await home.publishBundle(clients);
  const environment: VaultWorld['environment'] = (more = {}) =>
    home.environmentOf('vault', {
      ...(kms ?? { KEYMESH_KMS_MASTER_KEY_FILE: masterKeyFile }),
      OTEL_SDK_DISABLED: 'true',
      KEYMESH_LOG_LEVEL: process.env.VAULT_LOG ?? 'silent',
      ...more,
    });
  await keepTestKeys(rows, mesh, readVaultConfig(environment()).kms);
  const callerOf = async (principal: TestPrincipal | 'rotation'): Promise<Caller> => {
    const { name, signingKey } = principal === 'rotation' ? mesh.identities.rotation : principal;
    const connection = await mesh.connectAs(principal);
    return makeCaller({
      connection,
      principal: name,
      signingKey,
      meshPublicKey: mesh.trustRoot.meshPublicKey,
      clock: systemClock,
    });
  };
  const addPrincipal: VaultWorld['addPrincipal'] = async (name, roles) => {
    const principal = mesh.addPrincipal(name, roles);
    clients.push(principal);
    await home.publishBundle(clients);
    return principal;
  };
  return {
    mesh,
    postgres,
    home,
    rows,
    environment,
    async startVault(more, change) {
      const service = await startService(
        makeVaultService(() => ({ ...readVaultConfig(environment(more)), ...change })),
      );
      running.push(service);
      await service.ready;
      return service;
    },
    async startVaultProcess(more) {
      const started = await startServiceProcess(MAIN, environment({ KEYMESH_LOG_LEVEL: 'info', ...more }));
      processes.push(started);
      return started;
    },
    callerOf,
    addPrincipal,
    addClient: async (name, roles) => callerOf(await addPrincipal(name, roles)),
    publish: (taken) => home.publishBundle(clients, taken),
    async stopVaults() {
      await Promise.all(running.splice(0).map((service) => service.stop()));
    },
    asRotation: () => callerOf('rotation'),
    async stop() {
      await Promise.all(running.map((service) => service.stop()));
      await Promise.all(processes.map((started) => started.kill()));
      await rows.destroy().catch(() => undefined);
      await mesh.stop();
      await postgres.stop();
      await home.stop();
    },
  };
}

/** The mesh's test key stands in for the one that init.js makes. */
async function keepTestKeys(rows: DataSource, mesh: TestMesh, config: KmsConfig): Promise<void> {
  const kms = await openKms(config);
  const seed = fromBase64Url(mesh.meshKey.privateKey.export({ format: 'jwk' }).d ?? '') ?? new Uint8Array();
  const integrity = new Secret(new Uint8Array(randomBytes(32)), 'integrity');
  await addSystemKey(rows, kms, { purpose: 'mesh', key: new Secret(seed, 'seed'), publicKey: null });
  await addSystemKey(rows, kms, { purpose: 'integrity', key: integrity, publicKey: null });
}
