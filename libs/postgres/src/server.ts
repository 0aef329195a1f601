// The embedded server and the administration of a database, without TypeORM: for whoever keeps servers and stores nothing itself. Every
// `keymesh` command would load it otherwise.
export { parseDatabaseUrl, type DatabaseAddress, type DatabasePassword } from './database-url.js';
export { type AdminConnection, withClient } from './admin-client.js';
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
