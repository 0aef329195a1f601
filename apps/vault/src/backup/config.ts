import {
  commonVariables,
  databaseVariables,
  parseConfig,
  urlVariable,
  type Environment,
} from '@keymesh/service-kit/task';
import { z } from 'zod';
import { kmsVariables, toKmsConfig } from '../config.js';
import { retentionText } from './retention.js';

export type BackupTargetConfig =
  | { readonly kind: 'folder'; readonly folder: string }
  | {
      readonly kind: 's3';
      readonly bucket: string;
      readonly prefix: string;
      readonly region: string | undefined;
      readonly endpoint: string | undefined;
    };

const targetVariables = {
  KEYMESH_BACKUP_TO: z
    .string()
    .refine((text) => /^\/|^s3:\/\/[a-z0-9][a-z0-9.-]{1,62}(\/|$)/.test(text), {
      error: 'must be an absolute path, or s3://bucket/prefix',
    })
    .describe('Where backups are kept: an absolute path, or s3://bucket/prefix.'),
  KEYMESH_BACKUP_S3_ENDPOINT: urlVariable('http:', 'https:')
    .optional()
    .describe('s3: another address than AWS. Credentials come from the standard AWS variables.'),
  KEYMESH_BACKUP_S3_REGION: z.string().optional().describe('s3: region of the bucket.'),
  KEYMESH_BACKUP_KEEP: retentionText
    .prefault('last=7,daily=14,weekly=8')
    .describe('How many backups stay: the last ones, and the newest of each of the last days and weeks.'),
} satisfies z.ZodRawShape;

function toTarget(variables: z.output<z.ZodObject<typeof targetVariables>>): BackupTargetConfig {
  const url = /^s3:\/\/([^/]+)\/?(.*)$/.exec(variables.KEYMESH_BACKUP_TO);
  if (url === null) return { kind: 'folder', folder: variables.KEYMESH_BACKUP_TO };
  const folder = (url[2] ?? '').replace(/\/+$/, '');
  return {
    kind: 's3',
    bucket: url[1] ?? '',
    prefix: folder === '' ? '' : `${folder}/`,
    region: variables.KEYMESH_BACKUP_S3_REGION,
    endpoint: variables.KEYMESH_BACKUP_S3_ENDPOINT,
  };
}

/** What every command on backups needs that does not touch the database. */
const targetConfig = z.object({ ...targetVariables, ...kmsVariables }).transform((variables, context) => ({
  target: toTarget(variables),
  keep: variables.KEYMESH_BACKUP_KEEP,
  kms: toKmsConfig(variables, context),
}));
export type TargetConfig = z.output<typeof targetConfig>;

/** `backup create`: the vault's own role writes the record, the read-only role reads everything. */
const createConfig = z
  .object({
    ...databaseVariables,
    KEYMESH_BACKUP_DATABASE_URL: commonVariables.KEYMESH_DATABASE_URL.describe(
      'The same database as the role keymesh_backup, which may read everything.',
    ),
    KEYMESH_BACKUP_DATABASE_PASSWORD_FILE: commonVariables.KEYMESH_DATABASE_PASSWORD_FILE,
    KEYMESH_BACKUP_HOME: z
      .string()
      .optional()
      .describe('KEYMESH_HOME, whose identity files go in; absent where Kubernetes or others keep them.'),
  })
  .transform((variables) => ({
    database: { url: variables.KEYMESH_DATABASE_URL, password: variables.KEYMESH_DATABASE_PASSWORD_FILE },
    reader: {
      url: variables.KEYMESH_BACKUP_DATABASE_URL,
      password: variables.KEYMESH_BACKUP_DATABASE_PASSWORD_FILE,
    },
    home: variables.KEYMESH_BACKUP_HOME,
  }));

/** `restore load|finish`: the database that is being filled, as the deploy role, which owns it. */
const databaseOnly = z.object(databaseVariables).transform((variables) => ({
  url: variables.KEYMESH_DATABASE_URL,
  password: variables.KEYMESH_DATABASE_PASSWORD_FILE,
}));
/** The database of the mesh as it was until now, where there is one: what happened after the backup is read from it. */
const formerDatabase = z
  .object({
    KEYMESH_RESTORE_FORMER_DATABASE_URL: databaseVariables.KEYMESH_DATABASE_URL.optional(),
  })
  .transform((variables) => variables.KEYMESH_RESTORE_FORMER_DATABASE_URL);

const KMS_FILE = /^KEYMESH_KMS(_[A-Z0-9_]+)?_FILES?$/;

/** Paths that variables of the KMS name: what is in them never goes into a backup. */
const rootFilesOf = (env: Environment): string[] =>
  Object.entries(env).flatMap(([name, value]) =>
    KMS_FILE.test(name) && value !== undefined ? value.split(',').map((path) => path.trim()) : [],
  );

/** @throws CONFIG_INVALID naming every variable that is wrong and its rule. */
export const readTargetConfig = (env: Environment = process.env): TargetConfig =>
  parseConfig(targetConfig, env);
export const readCreateConfig = (env: Environment = process.env) => ({
  ...parseConfig(createConfig, env),
  rootFiles: rootFilesOf(env),
});
export const readRestoreDatabase = (env: Environment = process.env) => ({
  database: parseConfig(databaseOnly, env),
  formerUrl: parseConfig(formerDatabase, env),
});
