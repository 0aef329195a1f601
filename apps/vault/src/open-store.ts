import { makeOutboxRelay, pruneIdempotency } from '@keymesh/postgres';
import { HOUR } from '@keymesh/kernel';
import type { ServiceKit } from '@keymesh/service-kit';
import type { VaultConfig } from './config.js';
import type { Mutations } from './domain/mutations.js';
import type { DeletedCredentials, ListVersions, VersionReader } from './domain/ports.js';
import type { RowSeal } from './domain/row-mac.js';
import type { VaultMetrics } from './metrics.js';
import { makeDeletedCredentials } from './store/deleted-credentials.js';
import { makeLoadChanges } from './store/load-changes.js';
import { makeMetadataIndex, type CoherentIndex } from './store/metadata-index.js';
import { makeMutations } from './store/mutations.js';
import { makeListVersions, makeLoadVersion, makeVersionReader } from './store/version-reader.js';
import { makeInstanceSync, type InstanceSync } from './transport/instance-sync.js';
import { makePublish } from './transport/outbox.js';

/** What operations read and write through. */
export interface VaultStore {
  readonly index: CoherentIndex;
  readonly versions: VersionReader;
  readonly listVersions: ListVersions;
  readonly deleted: DeletedCredentials;
  readonly mutations: Mutations;
  readonly sync: InstanceSync;
  /** Something was committed that is to be published. */
  readonly pokeOutbox: () => void;
}

/** Opens memory, its coherence with Postgres and the other instances, and the outbox; each stops with the service. */
export async function openStore(
  kit: ServiceKit<VaultConfig>,
  seal: RowSeal,
  metrics: VaultMetrics,
): Promise<VaultStore> {
  const { config, clock, connection, dataSource, health } = kit;
  const index = makeMetadataIndex({
    loadChanges: makeLoadChanges(dataSource, seal),
    clock,
    staleForSeconds: config.staleForSeconds,
    nameTag: seal.nameTag,
    onPoll: (outcome) => metrics.indexPolls.inc({ outcome }),
  });
  const sync = makeInstanceSync({
    connection,
    instance: kit.instance,
    seal,
    clock,
    onChanged: index.invalidate,
    onUnknown: index.withdrawAll,
  });
  // In this order: what changes from now on is heard of, then everything is read.
  await sync.start();
  kit.onShutdown('instance sync', sync.stop);
  await index.start();
  kit.onShutdown('metadata index', index.stop);
  health.register('metadata-index', () => {
    const { away, credentials, ageMs } = index.state();
    return { status: away ? 'degraded' : 'ok', facts: { credentials, ageMs: Math.round(ageMs) } };
  });

  const relay = openOutbox(kit, metrics);
  const mutations = makeMutations({
    dataSource,
    seal,
    async afterCommit(changed) {
      relay.poke();
      const change =
        changed === 'repeated'
          ? undefined
          : { nameTag: seal.nameTag(changed.name), credentialId: changed.credentialId };
      const withdraws = changed === 'repeated' || changed.awaitEveryone === true;
      if (change === undefined) index.withdrawAll();
      else index.invalidate(change.nameTag, change.credentialId, withdraws);
      await sync.tell(change, withdraws);
    },
  });
  const versions = makeVersionReader({
    loadVersion: makeLoadVersion(dataSource, seal),
    maxBytes: config.versionCacheBytes,
    onRead: (outcome) =>
      (outcome === 'hit' ? metrics.cacheHits : metrics.cacheMisses).inc({ cache: 'version' }),
  });
  const listVersions = makeListVersions(dataSource, seal);
  const deleted = makeDeletedCredentials(dataSource, seal);
  return { index, versions, listVersions, deleted, mutations, sync, pokeOutbox: () => relay.poke() };
}

function openOutbox(kit: ServiceKit<VaultConfig>, metrics: VaultMetrics) {
  const { dataSource, journal, connection, signingKey, clock, logger } = kit;
  const relay = makeOutboxRelay({
    dataSource,
    publish: makePublish(journal, connection, signingKey),
    clock,
    onPublished: (entries) => metrics.outboxPublished.inc(entries),
    onRetry: (code, retryInMs) => {
      metrics.outboxRetries.inc();
      logger.warn({ code, retryInMs }, 'the outbox could not be published yet');
    },
  });
  relay.start();
  kit.onShutdown('outbox', () => relay.stop());
  // A repeat is recognised for a day; a session lives 12 hours.
  const prune = setInterval(() => {
    pruneIdempotency(dataSource.manager).catch(() => logger.debug('repeats are pruned later'));
  }, HOUR);
  prune.unref();
  kit.onShutdown('pruning', () => clearInterval(prune));
  return relay;
}
