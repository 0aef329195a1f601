import { readFileSync } from 'node:fs';
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
} from '@keymesh/service-kit/task';
import {
  parseCredentialPolicy,
  type CredentialPolicyDocument,
  type CredentialTemplate,
} from '@keymesh/contracts';
import { SECOND } from '@keymesh/kernel';
import { z } from 'zod';
import type { LeaseLimits } from './domain/leases.js';
import { parseTemplates } from './domain/templates/index.js';
import { leaseVariables, toLeaseLimits } from './lease-settings.js';
import { kmsVariables, toKmsConfig, type KmsConfig } from './kms/root-settings.js';

export { kmsVariables, toKmsConfig, type KmsConfig } from './kms/root-settings.js';

/** The journal keeps seven days: reveals stop before it forgets what the ledger has not read. */
const MAX_UNLEDGERED_SECONDS = 6 * 86_400;

/** A JSON file, read and checked at once: a sentence for each field that is wrong. */
const checkedFile = <Content extends { readonly problems: readonly string[] }>(
  check: (text: string) => Content,
) =>
  z.string().transform((path, context): Content => {
    let text = '';
    try {
      text = readFileSync(path, 'utf8');
    } catch {
      context.issues.push({ code: 'custom', input: undefined, message: 'must name a file that can be read' });
      return z.NEVER;
    }
    const content = check(text);
    for (const message of content.problems)
      context.issues.push({ code: 'custom', input: undefined, message });
    return content;
  });

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
  KEYMESH_KEK_TTL_SECONDS: integerVariable(10, 86_400)
    .prefault('300')
    .describe(
      'How long an unwrapped namespace key serves; with the KMS away that is how long values are read.',
    ),
  KEYMESH_KEK_MAX_USES: integerVariable(1_000, 2 ** 32)
    .prefault('16777216')
    .describe('How often an unwrapped namespace key serves before it is unwrapped again.'),
  KEYMESH_VERSION_CACHE_MIB: integerVariable(1, 4_096)
    .prefault('64')
    .describe('Sealed versions kept in memory, MiB in all.'),
  KEYMESH_CREDENTIAL_POLICY_FILE: checkedFile(parseCredentialPolicy)
    .optional()
    .describe(
      'JSON file of the credential policy, by namespace and type, that holds until operators write one; absent: what is built in.',
    ),
  KEYMESH_BREACHED_PASSWORDS_FILE: z
    .string()
    .optional()
    .describe(
      'File of lines SHA1:count ordered by hash, as Have I Been Pwned publishes it; absent: not looked up.',
    ),
  KEYMESH_TEMPLATES_FILE: checkedFile(parseTemplates)
    .optional()
    .describe('JSON file of credential templates beside the built-in ones.'),
  ...leaseVariables,
  KEYMESH_RECOVERY_DAYS: integerVariable(1, 3_650)
    .prefault('30')
    .describe('How long a deleted credential can be restored before its versions are destroyed.'),
  KEYMESH_RATE_LIMIT_PER_SECOND: integerVariable(1, 1_000_000)
    .prefault('10000')
    .describe('Requests a second that one principal may make in the long run.'),
  KEYMESH_RATE_LIMIT_BURST: integerVariable(1, 10_000_000)
    .prefault('20000')
    .describe('Requests that one principal may make at once after a pause.'),
} satisfies z.ZodRawShape;

export interface VaultConfig extends CommonConfig {
  readonly kms: KmsConfig;
  readonly kek: { readonly ttlMs: number; readonly maxUses: number };
  readonly startLocked: boolean;
  readonly staleForSeconds: number;
  readonly maxUnledgeredSeconds: number;
  readonly versionCacheBytes: number;
  readonly credentialPolicy: CredentialPolicyDocument;
  readonly breachedPasswordsFile: string | undefined;
  readonly templates: readonly CredentialTemplate[];
  readonly leases: LeaseLimits;
  /** Recovery window of a deleted credential, where the deletion names none. */
  readonly recoveryDays: number;
  readonly rateLimit: { readonly requestsPerSecond: number; readonly burst: number };
}

/** Every variable of the vault. */
export const vaultConfig = z.object(vaultVariables).transform((variables, context): VaultConfig => ({
  ...toCommonConfig(variables),
  kms: toKmsConfig(variables, context),
  kek: { ttlMs: variables.KEYMESH_KEK_TTL_SECONDS * SECOND, maxUses: variables.KEYMESH_KEK_MAX_USES },
  startLocked: variables.KEYMESH_START_LOCKED,
  staleForSeconds: variables.KEYMESH_STALE_FOR_SECONDS,
  maxUnledgeredSeconds: variables.KEYMESH_MAX_UNLEDGERED_SECONDS,
  versionCacheBytes: variables.KEYMESH_VERSION_CACHE_MIB * 2 ** 20,
  credentialPolicy: variables.KEYMESH_CREDENTIAL_POLICY_FILE?.policy ?? {},
  breachedPasswordsFile: variables.KEYMESH_BREACHED_PASSWORDS_FILE,
  templates: variables.KEYMESH_TEMPLATES_FILE?.templates ?? [],
  leases: toLeaseLimits(variables),
  recoveryDays: variables.KEYMESH_RECOVERY_DAYS,
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
