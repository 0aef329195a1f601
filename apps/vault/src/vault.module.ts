import { channelKeysOf, KIT, type ServiceDefinition, type ServiceKit } from '@keymesh/service-kit';
import { readVaultConfig, type VaultConfig } from './config.js';
import { makeAskPolicy } from './domain/access.js';
import { makeAudited } from './domain/audit-trail.js';
import type { LedgerLag } from './domain/ledger-lag.js';
import { makeRateLimit } from './domain/rate-limit.js';
import { makeKeyring } from './kms/keyring.js';
import { makeValueVault } from './kms/value-vault.js';
import { makeVaultMetrics, type VaultMetrics } from './metrics.js';
import { openKeys, type VaultKeys } from './open-keys.js';
import { openLedgerLag } from './open-ledger-lag.js';
import { openStore, type VaultStore } from './open-store.js';
import { certifyKey, makeCertifyChannelKey } from './operations/certify-channel-key.js';
import { makeCredentialHistory } from './operations/credential-history.js';
import { makeDeleteCredential } from './operations/delete-credential.js';
import { makeDescribeCredential } from './operations/describe-credential.js';
import { makeDiscardVersion } from './operations/discard-version.js';
import { makeListCredentials } from './operations/list-credentials.js';
import { makeListRotatable } from './operations/list-rotatable.js';
import { makePrepareVersion } from './operations/prepare-version.js';
import { makePromoteVersion } from './operations/promote-version.js';
import { makeRetrieveCredential } from './operations/retrieve-credential.js';
import { makeRevealVersion } from './operations/reveal-version.js';
import { makeStoreCredential } from './operations/store-credential.js';
import { makeBundleFloor } from './store/bundle-floor.js';
import { vaultEntities } from './store/entities/index.js';
import { makeKekStore } from './store/kek-store.js';
import { CredentialController } from './transport/credential.controller.js';
import { openFlooredPolicy } from './transport/floored-policy.js';
import { limited, OPERATIONS, whileLedgered, type VaultOperations } from './transport/operations.js';
import { makePolicyPort } from './transport/policy-port.js';
import { recordRefusedSums } from './transport/refused-sums.js';
import { ServiceController } from './transport/service.controller.js';

type Kit = ServiceKit<VaultConfig>;

/** The composition root: which adapter fills which port. A definition is of one process: it opens the vault's keys once. */
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
  const keysOf = (kit: Pick<Kit, 'metrics' | 'config' | 'dataSource' | 'clock' | 'health'>) =>
    (keys ??= openKeys(kit, ({ provider, call, outcome, durationMs }) => {
      // Away, it is not down: keys in memory serve until their time is over.
      kit.health.register('kms', () => ({ status: outcome === 'success' ? 'ok' : 'degraded' }));
      metricsOf(kit).kmsCalls.inc({ provider, call, outcome });
      metricsOf(kit).kmsDuration.observe({ provider, call }, durationMs / 1_000);
    }));

  return {
    name: 'vault',
    config,
    database: { schema: 'vault', entities: vaultEntities, poolSize: 16 },
    async policy({ config: { trustRoot }, dataSource, onShutdown, ...kit }) {
      const policy = await openFlooredPolicy({ ...kit, trustRoot, floor: makeBundleFloor(dataSource) });
      onShutdown('policy watch', () => policy.stop());
      return policy;
    },
    async channelKeys(kit) {
      const { meshKey } = await keysOf(kit);
      return channelKeysOf(kit, (publicKey) =>
        Promise.resolve(certifyKey('vault', publicKey, meshKey, kit.clock.now())),
      );
    },
    controllers: [CredentialController, ServiceController],
    providers: [
      {
        provide: OPERATIONS,
        inject: [KIT],
        async useFactory(kit: Kit): Promise<VaultOperations> {
          const opened = await keysOf(kit);
          store = await openStore(kit, opened.seal, metricsOf(kit));
          ledgerLag = await openLedgerLag(kit);
          return makeOperations(kit, opened, store, ledgerLag, metricsOf(kit));
        },
      },
    ],
  };
}

function makeOperations(
  kit: Kit,
  { kms, meshKey }: VaultKeys,
  store: VaultStore,
  ledgerLag: LedgerLag,
  metrics: VaultMetrics,
): VaultOperations {
  const { clock, instance, journal, config, dataSource } = kit;
  const policy = makePolicyPort(kit.policy, ({ effect }, fromCache) =>
    kit.metrics.policyDecisions.inc({ effect, cached: String(fromCache) }),
  );
  const askPolicy = makeAskPolicy(policy);
  const audited = makeAudited({
    instance,
    clock,
    recordDurably: (record, beside, deadlineAt) => journal.record(record, beside, { deadlineAt }),
  });
  const keyring = makeKeyring({
    kms,
    store: makeKekStore(dataSource),
    clock,
    onUse: (outcome) => (outcome === 'hit' ? metrics.cacheHits : metrics.cacheMisses).inc({ cache: 'kek' }),
  });
  const rateLimit = makeRateLimit({ ...config.rateLimit, clock });
  recordRefusedSums(kit, rateLimit);

  const ports = { audited, askPolicy, policy, clock, meshKey, values: makeValueVault(keyring), ...store };
  const serve = limited(rateLimit, () => metrics.rateLimited.inc());
  const reveal = whileLedgered(ledgerLag);
  const onStage = (stage: string, durationMs: number) =>
    metrics.retrieveStage.observe({ stage }, durationMs / 1_000);
  return {
    storeCredential: serve(makeStoreCredential(ports)),
    retrieveCredential: serve(reveal(makeRetrieveCredential({ ...ports, onStage }))),
    listCredentials: serve(makeListCredentials(ports)),
    describeCredential: serve(makeDescribeCredential(ports)),
    credentialHistory: serve(makeCredentialHistory(ports)),
    deleteCredential: serve(makeDeleteCredential(ports)),
    prepareVersion: serve(makePrepareVersion(ports)),
    promoteVersion: serve(makePromoteVersion(ports)),
    discardVersion: serve(makeDiscardVersion(ports)),
    revealVersion: serve(reveal(makeRevealVersion(ports))),
    listRotatable: serve(makeListRotatable(ports)),
    certifyChannelKey: serve(makeCertifyChannelKey(ports)),
  };
}
