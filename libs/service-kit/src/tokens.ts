import type { Clock, SigningKey } from '@keymesh/kernel';
import type { ServiceName } from '@keymesh/contracts';
import type { Caller, Journal, MeshConnection } from '@keymesh/mesh';
import type { makeDataSource } from '@keymesh/postgres';
import type { ChannelKeyProvider } from './channel/channel-key-provider.js';
import type { CommonConfig } from './config/common-config.js';
import type { HealthRegistry } from './health/health-registry.js';
import type { PolicyHolder } from './policy/policy-holder.js';
import type { Logger } from './telemetry/logger.js';
import type { Metrics } from './telemetry/metrics.js';

/** TypeORM's data source. */
export type DataSource = Awaited<ReturnType<typeof makeDataSource>>;

/**
 * Everything that `runService` makes before the Nest application: hooks of {@link ServiceDefinition} get it as it is, providers
 * inject it whole ({@link KIT}) or piece by piece (the tokens below).
 */
export interface ServiceKit<Config extends CommonConfig = CommonConfig> {
  readonly name: ServiceName;
  readonly instance: string;
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly health: HealthRegistry;
  /** The service's own Ed25519 key: its channel key, and what signs its journal packs and events. */
  readonly signingKey: SigningKey;
  readonly dataSource: DataSource;
  readonly connection: MeshConnection;
  readonly policy: PolicyHolder;
  readonly journal: Journal;
  readonly caller: Caller;
  readonly channelKeys: ChannelKeyProvider;
  /** Runs when the service stops, last registered first, each within what is left of the stopping time. */
  onShutdown(what: string, stop: () => Promise<void> | void): void;
}

// Inject with `@Inject(TOKEN)`, or in `useFactory: …, inject: [TOKEN]` (needs no decorator metadata).
/** {@link ServiceKit} */
export const KIT = Symbol('keymesh.kit');
/** The service's own typed configuration. */
export const CONFIG = Symbol('keymesh.config');
/** {@link Clock} */
export const CLOCK = Symbol('keymesh.clock');
/** {@link Logger} */
export const LOGGER = Symbol('keymesh.logger');
/** {@link Metrics} */
export const METRICS = Symbol('keymesh.metrics');
/** {@link HealthRegistry} */
export const HEALTH = Symbol('keymesh.health');
/** {@link SigningKey} */
export const SIGNING_KEY = Symbol('keymesh.signing-key');
/** TypeORM DataSource of the service's schema, connected. */
export const DATA_SOURCE = Symbol('keymesh.data-source');
/** {@link MeshConnection} */
export const CONNECTION = Symbol('keymesh.connection');
/** {@link PolicyHolder} */
export const POLICY = Symbol('keymesh.policy');
/** {@link Journal} */
export const JOURNAL = Symbol('keymesh.journal');
/** {@link Caller} */
export const CALLER = Symbol('keymesh.caller');
/** {@link ChannelKeyProvider} */
export const CHANNEL_KEYS = Symbol('keymesh.channel-keys');
