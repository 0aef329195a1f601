export { type DatabaseAddress, type DatabasePassword, parseDatabaseUrl } from './database-url.js';
export { type DataSourceOptions, type Entity, type Migration, makeDataSource } from './data-source.js';
export {
  isSerializationFailure,
  isStoreUnavailable,
  isUniqueViolation,
  sqlStateOf,
  translatePostgresError,
} from './errors.js';
export { inStore, transact } from './transact.js';
export { type AdminConnection, withClient } from './admin-client.js';
export { type MigrateOptions, migrateSchema } from './migrate.js';
export { type SequenceState, type TableShape } from './snapshot/catalogue.js';
export { type Snapshot, type SnapshotOptions, withSnapshot } from './snapshot/read-snapshot.js';
export { type FillOptions, type TableFilling, fillTables } from './snapshot/fill-tables.js';
export {
  OUTBOX_KINDS,
  type OutboxEntry,
  type OutboxKind,
  insertOutbox,
  outboxMigration,
} from './outbox-table.js';
export { type OutboxRelay, type OutboxRelayOptions, makeOutboxRelay } from './outbox-relay.js';
export { idempotencyMigration, once, pruneIdempotency } from './idempotency.js';
export {
  type ChannelKeyStore,
  type StoredChannelKey,
  channelKeyMigration,
  makeChannelKeyStore,
} from './channel-key-store.js';
export {
  type BundleFloor,
  type FloorBundle,
  type StoredBundle,
  bundleFloorMigration,
  makeBundleFloor,
} from './bundle-floor.js';
export {
  type ChannelKeyHandovers,
  channelKeyHandoverMigration,
  makeChannelKeyHandovers,
} from './channel-key-handovers.js';
export { type ProvisionOptions, type RoleDeclaration, provisionDatabase } from './provision.js';
export { scramVerifier } from './scram.js';
export {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  findEmbeddedPostgres,
  startEmbeddedPostgres,
} from './embedded/index.js';
export {
  type ProcessIdentity,
  endProcess,
  identifyProcess,
  isSameProcess,
  parseProcStat,
  waitForExit,
} from './embedded/process-identity.js';
export { chooseServerUser, findSystemUser, type SystemUser } from './embedded/system-user.js';
export { type PostgresBinaries, provideBinaries } from './embedded/binaries.js';
export { ensureCluster, makeFolderFor, spawnAs, SUPERUSER } from './embedded/cluster.js';
export { startServer, stopServer, watchForExit } from './embedded/server.js';
