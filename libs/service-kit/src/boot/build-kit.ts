import { certifyChannelKey, failure, servicePrincipal } from '@keymesh/contracts';
import { connectMesh, makeCaller, makeJournal, type Journal, type MeshConnection } from '@keymesh/mesh';
import { inStore, makeChannelKeyHandovers, makeChannelKeyStore, makeDataSource } from '@keymesh/postgres';
import { certifiedChannelKeys } from '../channel/certified-channel-keys.js';
import { makeMemoryFolder, openChannelKeyFolder } from '../channel/channel-key-folder.js';
import type { ChannelKeyProvider } from '../channel/channel-key-provider.js';
import type { CommonConfig } from '../config/common-config.js';
import type { PolicyHolder } from '../policy/policy-holder.js';
import { recordPolicyNews } from '../policy/record-policy-news.js';
import { confirmBundles } from '../policy/confirm-bundles.js';
import { inSpan } from '../telemetry/in-span.js';
import type { DataSource, ServiceKit } from '../tokens.js';
import { openPolicyHolder } from './open-policy-holder.js';
import type { ChannelKeysHookKit, PolicyHookKit, ServiceDefinition } from './service-definition.js';
import { untilAvailable } from './until-available.js';

/** What is there before any server is asked. */
export type BaseKit<Config extends CommonConfig> = Omit<PolicyHookKit<Config>, 'dataSource' | 'connection'>;

/** Connects everything in order: Postgres, NATS, policy, journal, caller, channel keys. Each registers its check and its stop. */
export async function buildKit<Config extends CommonConfig>(
  base: BaseKit<Config>,
  definition: ServiceDefinition<Config>,
): Promise<ServiceKit<Config>> {
  const dataSource = await openDataSource(base, definition);
  const connection = await openConnection(base);
  const connected = { ...base, dataSource, connection };
  const { policy, floored } = await openPolicyHolder(connected, definition);
  const journal = openJournal(connected);
  base.onShutdown('bundle confirmations', confirmBundles({ ...connected, policy }));
  if (floored !== undefined) recordPolicyNews({ ...connected, journal }, floored);
  const caller = makeCaller({
    connection,
    principal: servicePrincipal(base.name),
    signingKey: base.signingKey,
    meshPublicKey: base.config.trustRoot.meshPublicKey,
    clock: base.clock,
  });
  base.onShutdown('caller', () => caller.close());
  const withoutKeys = { ...connected, policy, journal, caller };
  const channelKeys = await openChannelKeys(withoutKeys, definition);
  return { ...withoutKeys, channelKeys };
}

async function openDataSource<Config extends CommonConfig>(
  { name, config, logger, health, onShutdown }: BaseKit<Config>,
  { database }: ServiceDefinition<Config>,
): Promise<DataSource> {
  const dataSource = makeDataSource({
    url: config.database.url,
    password: config.database.password,
    schema: database.schema,
    entities: database.entities,
    applicationName: `keymesh-${name}`,
    ...(database.poolSize === undefined ? {} : { poolSize: database.poolSize }),
    onPoolError: (sqlState) => logger.warn({ sqlState }, 'a database connection broke'),
  });
  await untilAvailable('database', logger, () => inStore(() => dataSource.initialize()));
  onShutdown('database', () => dataSource.destroy());
  // Away, it is not down: what is in memory or in the journal goes on (DESIGN promise 8).
  health.register('database', async () => {
    try {
      await dataSource.query('SELECT 1');
      return { status: 'ok' };
    } catch {
      return { status: 'degraded' };
    }
  });
  return dataSource;
}

async function openConnection<Config extends CommonConfig>(base: BaseKit<Config>): Promise<MeshConnection> {
  const { name, config, logger, health, onShutdown } = base;
  const connection = await untilAvailable('bus', logger, () =>
    connectMesh({
      servers: config.natsUrl,
      nkeySeed: config.natsSeed,
      principal: servicePrincipal(name),
      ...(config.natsTls === undefined ? {} : { tls: config.natsTls }),
      logger,
    }),
  );
  onShutdown('bus', () => connection.close());
  health.register('bus', () => ({ status: connection.isConnected() ? 'ok' : 'down' }));
  return connection;
}

function openJournal<Config extends CommonConfig>(kit: PolicyHookKit<Config>): Journal {
  const { name, instance, connection, signingKey, clock, metrics, onShutdown } = kit;
  const journal = makeJournal({
    connection,
    service: name,
    instance,
    signingKey,
    clock,
    onPack({ records, ackMs, outcome }) {
      if (records === 0) return; // a heartbeat
      metrics.journalPacks.inc({ outcome });
      metrics.journalBatch.observe(records);
      if (outcome === 'stored') metrics.journalAck.observe(ackMs / 1_000);
    },
  });
  onShutdown('journal', () => journal.close());
  return {
    ...journal,
    record: (record, ...rest) =>
      inSpan('journal.record', () => journal.record(record, ...rest), { 'keymesh.event': record.type }),
  };
}

async function openChannelKeys<Config extends CommonConfig>(
  kit: ChannelKeysHookKit<Config>,
  definition: ServiceDefinition<Config>,
): Promise<ChannelKeyProvider> {
  const askVault = async (publicKey: string): Promise<string> =>
    (await kit.caller.call(certifyChannelKey, { publicKey })).statement;
  const channelKeys = await (definition.channelKeys?.(kit) ?? channelKeysOf(kit, askVault));
  kit.onShutdown('channel keys', () => channelKeys.stop());
  kit.health.register('channel-keys', () =>
    channelKeys.currentStatements().length > 0 ? { status: 'ok' } : { status: 'down', code: 'UNAVAILABLE' },
  );
  return channelKeys;
}

/**
 * Channel keys of this service, known by its table `channel_key`, kept in its folder and certified as told: by asking the vault, or by the vault itself.
 * `channelKeys: (kit) => channelKeysOf(kit, (publicKey) => signWithMeshKey(publicKey))`
 */
export const channelKeysOf = <Config extends CommonConfig>(
  kit: ChannelKeysHookKit<Config>,
  certify: (publicKey: string) => Promise<string>,
): ChannelKeyProvider =>
  certifiedChannelKeys({
    service: kit.name,
    meshPublicKey: kit.config.trustRoot.meshPublicKey,
    stateKey: kit.config.stateKey,
    store: makeChannelKeyStore(kit.dataSource),
    folder:
      kit.config.channelKeyFolder === undefined
        ? makeMemoryFolder()
        : openChannelKeyFolder(kit.config.channelKeyFolder),
    handovers: makeChannelKeyHandovers(kit.dataSource),
    certify,
    clock: kit.clock,
    logger: kit.logger,
    onNewest: (notAfter) => kit.metrics.channelKeyExpiry.set(notAfter / 1_000),
  });

/** What a principal's channel is checked against. @throws UNAVAILABLE before the first bundle: that may be said without a channel. */
export const directoryOf = (policy: PolicyHolder) => {
  const current = policy.findPolicy();
  if (current === undefined) {
    throw failure('UNAVAILABLE', {
      publicMessage: 'No valid policy bundle is at hand yet. Check the policy service.',
    });
  }
  return current.directory;
};
