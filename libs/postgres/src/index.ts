export * from './server.js';
export { type DataSourceOptions, type Entity, type Migration, makeDataSource } from './data-source.js';
export {
  isSerializationFailure,
  isStoreUnavailable,
  isUniqueViolation,
  sqlStateOf,
  translatePostgresError,
} from './errors.js';
export { inStore, transact } from './transact.js';
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
