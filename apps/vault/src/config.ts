import {
  booleanVariable,
  commonVariables,
  databaseConfig,
  databaseVariables,
  integerVariable,
  parseConfig,
  toCommonConfig,
  type CommonConfig,
  type Environment,
} from '@keymesh/service-kit';
import { z } from 'zod';
import { KMS_SETTINGS, kmsProviderVariables, type KmsConfigOf, type KmsName } from './kms/settings.js';

export const kmsVariables = {
  KEYMESH_KMS: z
    .enum(Object.keys(KMS_SETTINGS) as KmsName[])
    .default('local')
    .describe('Which KMS wraps the root of all keys.'),
  ...kmsProviderVariables,
} satisfies z.ZodRawShape;

/** The journal keeps seven days: reveals stop before it forgets what the ledger has not read. */
const MAX_UNLEDGERED_SECONDS = 6 * 86_400;

const vaultVariables = {
  ...commonVariables,
  ...kmsVariables,
  KEYMESH_START_LOCKED: booleanVariable
    .prefault('false')
    .describe('true: after each start no value is revealed until an operator unlocks the vault.'),
  KEYMESH_STALE_FOR_SECONDS: integerVariable(0, 86_400)
    .prefault('900')
    .describe('How long known credentials are served, marked stale, while Postgres is away; 0: not at all.'),
  KEYMESH_MAX_UNLEDGERED_SECONDS: integerVariable(60, MAX_UNLEDGERED_SECONDS)
    .prefault('86400')
    .describe('How long audit records may wait for the ledger before no value is revealed any more.'),
  KEYMESH_VERSION_CACHE_MIB: integerVariable(1, 4_096)
    .prefault('64')
    .describe('Sealed versions kept in memory, MiB in all.'),
  KEYMESH_RATE_LIMIT_PER_SECOND: integerVariable(1, 1_000_000)
    .prefault('10000')
    .describe('Requests a second that one principal may make in the long run.'),
  KEYMESH_RATE_LIMIT_BURST: integerVariable(1, 10_000_000)
    .prefault('20000')
    .describe('Requests that one principal may make at once after a pause.'),
} satisfies z.ZodRawShape;

/** Which KMS, with what it needs. */
export type KmsConfig = KmsConfigOf<KmsName>;

export interface VaultConfig extends CommonConfig {
  readonly kms: KmsConfig;
  readonly startLocked: boolean;
  readonly staleForSeconds: number;
  readonly maxUnledgeredSeconds: number;
  readonly versionCacheBytes: number;
  readonly rateLimit: { readonly requestsPerSecond: number; readonly burst: number };
}

export function toKmsConfig(
  variables: z.output<z.ZodObject<typeof kmsVariables>>,
  context: z.core.$RefinementCtx,
): KmsConfig {
  const required = (name: keyof typeof kmsVariables): string => {
    const value = variables[name];
    if (typeof value === 'string') return value;
    const message = `is required with KEYMESH_KMS=${variables.KEYMESH_KMS}`;
    context.issues.push({ code: 'custom', input: undefined, path: [name], message });
    return '';
  };
  return KMS_SETTINGS[variables.KEYMESH_KMS].toConfig(variables, required);
}

/** Every variable of the vault. */
export const vaultConfig = z.object(vaultVariables).transform((variables, context): VaultConfig => ({
  ...toCommonConfig(variables),
  kms: toKmsConfig(variables, context),
  startLocked: variables.KEYMESH_START_LOCKED,
  staleForSeconds: variables.KEYMESH_STALE_FOR_SECONDS,
  maxUnledgeredSeconds: variables.KEYMESH_MAX_UNLEDGERED_SECONDS,
  versionCacheBytes: variables.KEYMESH_VERSION_CACHE_MIB * 2 ** 20,
  rateLimit: {
    requestsPerSecond: variables.KEYMESH_RATE_LIMIT_PER_SECOND,
    burst: variables.KEYMESH_RATE_LIMIT_BURST,
  },
}));

/** What `init.ts` needs: the database and the KMS, before there is a mesh to pin. */
export const initConfig = z
  .object({ ...databaseVariables, ...kmsVariables })
  .transform((variables, context) => ({
    database: { url: variables.KEYMESH_DATABASE_URL, password: variables.KEYMESH_DATABASE_PASSWORD_FILE },
    kms: toKmsConfig(variables, context),
  }));

/** @throws CONFIG_INVALID naming every variable that is wrong and its rule. */
export const readVaultConfig = (env: Environment = process.env): VaultConfig => parseConfig(vaultConfig, env);
export const readInitConfig = (env: Environment = process.env): z.output<typeof initConfig> =>
  parseConfig(initConfig, env);
export const readMigrateConfig = (env: Environment = process.env): z.output<typeof databaseConfig> =>
  parseConfig(databaseConfig, env);
