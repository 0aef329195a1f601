import {
  channelKeysOf,
  KIT,
  rpcController,
  type ServiceDefinition,
  type ServiceKit,
} from '@keymesh/service-kit';
import { batchOperations } from './compose/batch.js';
import { credentialOperations } from './compose/credentials.js';
import { keyOperations } from './compose/keys.js';
import { leaseOperations } from './compose/leases.js';
import { startLifecycleJobs } from './compose/lifecycle.js';
import { makePorts, type VaultPorts } from './compose/ports.js';
import { shadowOperations } from './compose/shadow.js';
import { typeOperations } from './compose/types.js';
import { versionOperations } from './compose/versions.js';
import { readVaultConfig, type VaultConfig } from './config.js';
import type { LedgerLag } from './domain/ledger-lag.js';
import { makeVaultMetrics, type VaultMetrics } from './metrics.js';
import { openKeys, type VaultKeys } from './open-keys.js';
import { openLedgerLag } from './open-ledger-lag.js';
import { openQuality } from './open-quality.js';
import { openStore, type VaultStore } from './open-store.js';
import { followCredentialPolicy } from './transport/follow-credential-policy.js';
import { certifyKey } from './operations/certify-channel-key.js';
import { vaultEntities } from './store/entities/index.js';
import {
  BATCH_CONTRACTS,
  CREDENTIAL_CONTRACTS,
  KEY_CONTRACTS,
  LEASE_CONTRACTS,
  SHADOW_CONTRACTS,
  TYPE_CONTRACTS,
  VERSION_CONTRACTS,
} from './transport/contracts.js';
import { OPERATIONS, type VaultOperations } from './transport/operations.js';

type Kit = ServiceKit<VaultConfig>;

/** Each has its operations in compose/. */
const GROUPS = [
  BATCH_CONTRACTS,
  CREDENTIAL_CONTRACTS,
  KEY_CONTRACTS,
  LEASE_CONTRACTS,
  SHADOW_CONTRACTS,
  TYPE_CONTRACTS,
  VERSION_CONTRACTS,
];

/** The composition root. A definition is of one process: it opens the vault's keys once. */
export function makeVaultService(
  config: () => VaultConfig = readVaultConfig,
): ServiceDefinition<VaultConfig> {
  let store: VaultStore | undefined;
  let ledgerLag: LedgerLag | undefined;
  let metrics: VaultMetrics | undefined;
  let keys: Promise<VaultKeys> | undefined;
  const metricsOf = (kit: Pick<Kit, 'metrics'>) =>
    (metrics ??= makeVaultMetrics(
      kit.metrics,
      () => store?.index.state(),
      () => ledgerLag?.ageMs(),
    ));
  const keysOf = (kit: Omit<Kit, 'channelKeys'>) =>
    (keys ??= openKeys(
      kit,
      followCredentialPolicy(kit, kit.config.credentialPolicy),
      ({ provider, call, outcome, durationMs }) => {
        // Away, it is not down: keys in memory serve until their time is over.
        kit.health.register(`kms.${provider}`, () => ({ status: outcome === 'success' ? 'ok' : 'degraded' }));
        metricsOf(kit).kmsCalls.inc({ provider, call, outcome });
        metricsOf(kit).kmsDuration.observe({ provider, call }, durationMs / 1_000);
      },
    ));

  return {
    name: 'vault',
    config,
    database: { schema: 'vault', entities: vaultEntities, poolSize: 16 },
    async channelKeys(kit) {
      const { meshKey } = await keysOf(kit);
      return channelKeysOf(kit, (publicKey) =>
        Promise.resolve(certifyKey('vault', publicKey, meshKey, kit.clock.now())),
      );
    },
    controllers: GROUPS.map((group) => rpcController(OPERATIONS, group)),
    providers: [
      {
        provide: OPERATIONS,
        inject: [KIT],
        async useFactory(kit: Kit): Promise<VaultOperations> {
          const opened = await keysOf(kit);
          store = await openStore(kit, opened.seal, metricsOf(kit));
          const { breachedPasswordsFile } = kit.config;
          const quality = await openQuality({ ...kit, breachedPasswordsFile }, opened.seal.policyOf);
          ledgerLag = await openLedgerLag(kit);
          const ports = makePorts(kit, opened, store, quality, ledgerLag, metricsOf(kit));
          startLifecycleJobs(ports);
          return allOperations(ports);
        },
      },
    ],
  };
}

const allOperations = async (ports: VaultPorts): Promise<VaultOperations> => ({
  ...credentialOperations(ports),
  ...batchOperations(ports),
  ...versionOperations(ports),
  ...(await keyOperations(ports)),
  ...leaseOperations(ports),
  ...shadowOperations(ports),
  ...typeOperations(ports),
});
