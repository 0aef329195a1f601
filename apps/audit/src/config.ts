import type { Secret } from '@keymesh/kernel';
import {
  commonVariables,
  databaseConfig,
  databaseVariables,
  parseConfig,
  secretKeyFile,
  toCommonConfig,
  type CommonConfig,
} from '@keymesh/service-kit/task';
import { z } from 'zod';

const ownVariables = {
  KEYMESH_CHECKPOINT_SEED_FILE: secretKeyFile('checkpoint-seed', 32).describe(
    'File with the Ed25519 seed of the checkpoint key. It signs tree heads and nothing else.',
  ),
  KEYMESH_LOG_ORIGIN: z
    .string()
    .max(256)
    .refine((text) => /^[^\s+\p{Cc}]+$/u.test(text), { error: 'must be a name without spaces or plus signs' })
    .describe(
      'Name of the log: first line of its checkpoints and name of its key, e.g. keymesh.example/audit.',
    ),
};

/** Variables of the audit service, with the common ones. docs/reference/config.md is generated from them. */
export const auditVariables = { ...commonVariables, ...ownVariables };

export interface LogIdentity {
  readonly checkpointSeed: Secret;
  readonly logOrigin: string;
}
export interface AuditConfig extends CommonConfig, LogIdentity {}

const identityOf = (variables: z.output<z.ZodObject<typeof ownVariables>>): LogIdentity => ({
  checkpointSeed: variables.KEYMESH_CHECKPOINT_SEED_FILE,
  logOrigin: variables.KEYMESH_LOG_ORIGIN,
});

const auditConfig = z
  .object(auditVariables)
  .transform((variables): AuditConfig => ({ ...toCommonConfig(variables), ...identityOf(variables) }));

/** @throws CONFIG_INVALID */
export const readAuditConfig = (): AuditConfig => parseConfig(auditConfig, process.env);

/** What `fsck` needs of the service's environment. */
const fsckConfig = z.object({ ...databaseVariables, ...ownVariables }).transform((variables) => ({
  database: { url: variables.KEYMESH_DATABASE_URL, password: variables.KEYMESH_DATABASE_PASSWORD_FILE },
  ...identityOf(variables),
}));

/** @throws CONFIG_INVALID */
export const readFsckConfig = (): z.output<typeof fsckConfig> => parseConfig(fsckConfig, process.env);

/** What `migrate` needs: the database as the deploy role. @throws CONFIG_INVALID */
export const readMigrateConfig = (): z.output<typeof databaseConfig> =>
  parseConfig(databaseConfig, process.env);
