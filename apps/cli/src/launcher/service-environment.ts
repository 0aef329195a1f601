import { servicePrincipal, type ServiceName } from '@keymesh/contracts';
import type { KmsChoice, LauncherConfig } from './config.js';
import type { Home } from './home.js';
import { BACKUP_ROLE, databaseUrlOf, DEPLOY_ROLE, roleOf } from './postgres.js';

/** Where the servers of this start are. */
export interface Places {
  readonly natsUrl: string;
  /** Admin's URL of the database server. */
  readonly databaseUrl: string;
  readonly httpPort: number;
  readonly meshId: string;
}

/** Name of the audit log in checkpoints and proofs (C2SP origin). */
export const logOriginOf = (meshId: string): string => `keymesh/${meshId}`;

/** Standard tracing variables, unless the user has set their own: to the launcher, one new trace in a hundred. */
export function tracingVariables(
  passed: Readonly<Record<string, string>>,
  httpPort: number,
): Record<string, string> {
  const ownEndpoint =
    passed.OTEL_EXPORTER_OTLP_ENDPOINT ??
    passed.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ??
    passed.OTEL_TRACES_EXPORTER;
  return {
    ...(ownEndpoint === undefined
      ? {
          OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${String(httpPort)}`,
          OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
          // A person waits for `keymesh trace`: a second instead of the standard five.
          OTEL_BSP_SCHEDULE_DELAY: passed.OTEL_BSP_SCHEDULE_DELAY ?? '1000',
        }
      : {}),
    ...(passed.OTEL_TRACES_SAMPLER === undefined
      ? {
          OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
          OTEL_TRACES_SAMPLER_ARG: passed.OTEL_TRACES_SAMPLER_ARG ?? '0.01',
        }
      : {}),
  };
}

/** What every child gets. Compiled code is kept: a service is up in two thirds of the time. */
const childEnvironment = (config: LauncherConfig, home: Home): Record<string, string> => ({
  NODE_COMPILE_CACHE: home.compileCache,
  ...config.passed,
});

/** Variables with which a service's migrations run: as the deploy role. */
export const migrationEnvironment = (
  config: LauncherConfig,
  home: Home,
  databaseUrl: string,
  database?: string,
): Record<string, string> => ({
  ...childEnvironment(config, home),
  OTEL_SDK_DISABLED: 'true',
  KEYMESH_DATABASE_URL: databaseUrlOf(databaseUrl, DEPLOY_ROLE, database),
  KEYMESH_DATABASE_PASSWORD_FILE: home.secret('deploy', 'database.password'),
  KEYMESH_LOG_LEVEL: config.logLevel,
});

/** Every variable of one service. INVARIANT: secrets go by file name only; nothing else of our environment passes. */
export function serviceEnvironment(
  service: ServiceName,
  config: LauncherConfig,
  home: Home,
  places: Places,
): Record<string, string> {
  return {
    ...childEnvironment(config, home),
    ...tracingVariables(config.passed, places.httpPort),
    KEYMESH_NATS_URL: places.natsUrl,
    KEYMESH_NATS_SEED_FILE: home.secret(service, 'nats.seed'),
    KEYMESH_SIGNING_SEED_FILE: home.secret(service, 'signing.seed'),
    KEYMESH_STATE_KEY_FILE: home.secret(service, 'state.key'),
    KEYMESH_CHANNEL_KEY_FOLDER: home.channelKeys(service),
    KEYMESH_TRUST_FILE: home.trust,
    KEYMESH_DATABASE_URL: databaseUrlOf(places.databaseUrl, roleOf(service)),
    KEYMESH_DATABASE_PASSWORD_FILE: home.secret(service, 'database.password'),
    KEYMESH_HTTP_HOST: '127.0.0.1',
    KEYMESH_HTTP_PORT: '0',
    KEYMESH_READY_FILE: home.run(`${service}.ready.json`),
    KEYMESH_INSTANCE: servicePrincipal(service).slice(1),
    KEYMESH_LOG_LEVEL: config.logLevel,
    KEYMESH_PLAIN_REPLY: config.plainReply,
    KEYMESH_EXIT_WITH_STDIN: 'true',
    ...ownVariables(service, config, home, places),
  };
}

/** Variables of the vault's task `backup`: its own database role for the record, one that reads everything for the rest. */
export const backupEnvironment = (
  config: LauncherConfig,
  home: Home,
  databaseUrl: string,
): Record<string, string> => ({
  ...restoreEnvironment(config, home),
  KEYMESH_DATABASE_URL: databaseUrlOf(databaseUrl, roleOf('vault')),
  KEYMESH_DATABASE_PASSWORD_FILE: home.secret('vault', 'database.password'),
  KEYMESH_BACKUP_DATABASE_URL: databaseUrlOf(databaseUrl, BACKUP_ROLE),
  KEYMESH_BACKUP_DATABASE_PASSWORD_FILE: home.secret('vault', 'backup.password'),
  KEYMESH_BACKUP_HOME: home.root,
});

/** Variables of whatever reads backups: where they are kept, and the KMS. */
export const restoreEnvironment = (config: LauncherConfig, home: Home): Record<string, string> => ({
  ...childEnvironment(config, home),
  ...config.backup.variables,
  OTEL_SDK_DISABLED: 'true',
  KEYMESH_LOG_LEVEL: config.logLevel,
  ...kmsVariables(config.kms, home),
});

function ownVariables(
  service: ServiceName,
  config: LauncherConfig,
  home: Home,
  places: Places,
): Record<string, string> {
  switch (service) {
    case 'vault':
      return kmsVariables(config.kms, home);
    case 'policy':
      return {
        KEYMESH_CALLOUT_ISSUER_SEED_FILE: home.secret('policy', 'callout-issuer.seed'),
        KEYMESH_CALLOUT_XKEY_SEED_FILE: home.secret('policy', 'callout-xkey.seed'),
        KEYMESH_BUNDLE_SEED_FILE: home.secret('policy', 'bundle.seed'),
        KEYMESH_GENESIS_FILE: home.genesis,
        KEYMESH_SYS_SEED_FILE: home.secret('sys', 'nats.seed'),
        // A server of the user's own keeps its log to itself.
        ...(config.natsUrl === undefined ? { KEYMESH_NATS_LOG_FILE: home.log('nats') } : {}),
      };
    case 'audit':
      return {
        KEYMESH_CHECKPOINT_SEED_FILE: home.secret('audit', 'checkpoint.seed'),
        KEYMESH_LOG_ORIGIN: logOriginOf(places.meshId),
      };
    case 'rotation':
    case 'anomaly-detector':
      return {};
  }
}

function kmsVariables({ name, variables }: KmsChoice, home: Home): Record<string, string> {
  const members = [name, ...(variables.KEYMESH_KMS_MEMBERS ?? '').split(',')];
  return {
    ...variables,
    KEYMESH_KMS: name,
    ...(members.includes('local') ? { KEYMESH_KMS_MASTER_KEY_FILE: home.masterKey } : {}),
  };
}

/** What `keymesh status` says of the root key. */
export function describeRootKey({ name, variables }: KmsChoice): string {
  const { KEYMESH_KMS_MEMBERS: members = '', KEYMESH_KMS_PASSPHRASE_FILE: passphrase } = variables;
  if (name === 'any-of') return `any of ${members} (as strong as the weakest)`;
  if (name === 'all-of') return `all of ${members}`;
  if (name !== 'local') return name;
  return passphrase === undefined ? 'file only' : 'file + passphrase';
}
