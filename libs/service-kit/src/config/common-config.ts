import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { trustRoot, type TrustRoot } from '@keymesh/contracts';
import type { Secret } from '@keymesh/kernel';
import type { MeshTls } from '@keymesh/mesh';
import { z } from 'zod';
import {
  booleanVariable,
  integerVariable,
  jsonFile,
  secretFile,
  secretKeyFile,
  urlVariable,
} from './variables.js';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Samplers of the OpenTelemetry environment specification that we have. All respect the parent's decision but the plain ones. */
export const TRACE_SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;

const ratio = z
  .string()
  .refine((text) => /^(0(\.\d+)?|1(\.0+)?)$/.test(text), { error: 'must be a number from 0 to 1' });

/**
 * The variables of every service. A service's schema is
 * `z.object({ ...commonVariables, MY_OWN: … }).transform((v) => ({ ...toCommonConfig(v), mine: v.MY_OWN }))`.
 */
export const commonVariables = {
  KEYMESH_NATS_URL: urlVariable('nats:', 'tls:', 'ws:', 'wss:').describe('Where the NATS server listens.'),
  KEYMESH_NATS_CA_FILE: z
    .string()
    .optional()
    .describe('PEM file of the authority of the NATS server’s certificate.'),
  KEYMESH_NATS_CERT_FILE: z
    .string()
    .optional()
    .describe('PEM file of this service’s certificate, where the NATS server asks for one.'),
  KEYMESH_NATS_KEY_FILE: z.string().optional().describe('PEM file of that certificate’s key.'),
  KEYMESH_NATS_SEED_FILE: secretFile('nats-seed').describe(
    'File with the nkey user seed (SU…) of this service.',
  ),
  KEYMESH_SIGNING_SEED_FILE: secretKeyFile('signing-seed', 32).describe(
    'File with the Ed25519 seed of the channel key, which also signs journal packs.',
  ),
  KEYMESH_STATE_KEY_FILE: secretKeyFile('state-key', 32).describe(
    'File with the key that seals what this service keeps of its own at rest (channel private keys).',
  ),
  KEYMESH_CHANNEL_KEY_FOLDER: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Folder for this service’s own channel keys until they end; best in memory (tmpfs), never backed up. Absent: they end with the process.',
    ),
  KEYMESH_TRUST_FILE: jsonFile(trustRoot, 'a trust root (trust.json)').describe(
    'trust.json: what is pinned of this mesh.',
  ),
  KEYMESH_DATABASE_URL: urlVariable('postgres:', 'postgresql:').describe(
    'User, host, port and database; no password.',
  ),
  KEYMESH_DATABASE_PASSWORD_FILE: secretFile('database-password').describe(
    'File with the password of the database role.',
  ),
  KEYMESH_MAX_BUNDLE_AGE_SECONDS: integerVariable(60, 2_592_000)
    .prefault('86400')
    .describe(
      "How old the policy service's last word on the policy bundle may be before nothing is permitted any more.",
    ),
  KEYMESH_HTTP_HOST: z.string().default('127.0.0.1').describe('Where /metrics and /health listen.'),
  KEYMESH_HTTP_PORT: integerVariable(0, 65_535)
    .prefault('0')
    .describe('Port of /metrics and /health; 0: any free one.'),
  KEYMESH_READY_FILE: z
    .string()
    .optional()
    .describe('Written as {"pid":…,"httpPort":…} once the service is ready.'),
  KEYMESH_INSTANCE: z
    .string()
    .refine((text) => /^[A-Za-z0-9._-]{1,64}$/.test(text), { error: 'must be 1 to 64 of A-Z a-z 0-9 . _ -' })
    .optional()
    .describe(
      'Name of this instance in logs and records, to which each start adds a random part; default: the host name.',
    ),
  KEYMESH_LOG_LEVEL: z.enum(LOG_LEVELS).default('info').describe('Least severe level that is logged.'),
  KEYMESH_PLAIN_REPLY: z
    .enum(['allow', 'never'])
    .default('never')
    .describe(
      'Whether principals with the role plain-reply may ask without the channel (embedded mode on loopback only).',
    ),
  KEYMESH_EXIT_WITH_STDIN: booleanVariable
    .prefault('false')
    .describe('Stop when standard input closes, so that no orphan stays.'),
  OTEL_SERVICE_NAME: z.string().optional().describe('service.name of spans; default keymesh-<service>.'),
  OTEL_SDK_DISABLED: booleanVariable.prefault('false').describe('true: no tracing at all.'),
  OTEL_EXPORTER_OTLP_ENDPOINT: urlVariable('http:', 'https:')
    .optional()
    .describe('OTLP/HTTP collector; absent: no export.'),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: urlVariable('http:', 'https:')
    .optional()
    .describe('As above, for traces only; a full URL.'),
  OTEL_TRACES_SAMPLER: z
    .enum(TRACE_SAMPLERS)
    .default('parentbased_always_on')
    .describe('Which traces are recorded.'),
  OTEL_TRACES_SAMPLER_ARG: ratio
    .optional()
    .describe('Share of traces for the traceidratio samplers, 0 to 1.'),
} satisfies z.ZodRawShape;

export interface TelemetryConfig {
  readonly disabled: boolean;
  /** Whether a collector is configured; the exporter itself reads the standard variables. */
  readonly exports: boolean;
  readonly serviceName: string | undefined;
  readonly sampler: (typeof TRACE_SAMPLERS)[number];
  readonly samplerRatio: number;
}

/** What every service knows from its environment. */
export interface CommonConfig {
  readonly natsUrl: string;
  /** Undefined: as the URL says, with the authorities that the system knows. */
  readonly natsTls: MeshTls | undefined;
  readonly natsSeed: Secret;
  readonly signingSeed: Secret;
  readonly stateKey: Secret;
  /** Where channel keys are kept until they end; undefined: in memory only. */
  readonly channelKeyFolder: string | undefined;
  readonly trustRoot: TrustRoot;
  readonly database: { readonly url: string; readonly password: Secret };
  readonly maxBundleAgeSeconds: number;
  readonly http: { readonly host: string; readonly port: number };
  readonly readyFile: string | undefined;
  readonly instance: string;
  readonly logLevel: LogLevel;
  readonly allowPlainReply: boolean;
  readonly exitWithStdin: boolean;
  readonly telemetry: TelemetryConfig;
}

const commonObject = z.object(commonVariables);

/** Shapes the parsed common variables. The instance's name gets a random part. */
export function toCommonConfig(variables: z.output<typeof commonObject>): CommonConfig {
  return {
    natsUrl: variables.KEYMESH_NATS_URL,
    natsTls: natsTlsOf(variables),
    natsSeed: variables.KEYMESH_NATS_SEED_FILE,
    signingSeed: variables.KEYMESH_SIGNING_SEED_FILE,
    stateKey: variables.KEYMESH_STATE_KEY_FILE,
    channelKeyFolder: variables.KEYMESH_CHANNEL_KEY_FOLDER,
    trustRoot: variables.KEYMESH_TRUST_FILE,
    database: { url: variables.KEYMESH_DATABASE_URL, password: variables.KEYMESH_DATABASE_PASSWORD_FILE },
    maxBundleAgeSeconds: variables.KEYMESH_MAX_BUNDLE_AGE_SECONDS,
    http: { host: variables.KEYMESH_HTTP_HOST, port: variables.KEYMESH_HTTP_PORT },
    readyFile: variables.KEYMESH_READY_FILE,
    // INVARIANT: fresh for every start, because a journal chain belongs to one start of one process.
    instance: `${variables.KEYMESH_INSTANCE ?? hostname().slice(0, 40)}-${randomBytes(4).toString('hex')}`,
    logLevel: variables.KEYMESH_LOG_LEVEL,
    allowPlainReply: variables.KEYMESH_PLAIN_REPLY === 'allow',
    exitWithStdin: variables.KEYMESH_EXIT_WITH_STDIN,
    telemetry: {
      disabled: variables.OTEL_SDK_DISABLED,
      exports:
        (variables.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? variables.OTEL_EXPORTER_OTLP_ENDPOINT) !== undefined,
      serviceName: variables.OTEL_SERVICE_NAME,
      sampler: variables.OTEL_TRACES_SAMPLER,
      samplerRatio: Number(variables.OTEL_TRACES_SAMPLER_ARG ?? '1'),
    },
  };
}

function natsTlsOf(variables: z.output<typeof commonObject>): MeshTls | undefined {
  const {
    KEYMESH_NATS_CA_FILE: caFile,
    KEYMESH_NATS_CERT_FILE: certFile,
    KEYMESH_NATS_KEY_FILE: keyFile,
  } = variables;
  return caFile === undefined && certFile === undefined ? undefined : { caFile, certFile, keyFile };
}

/** For a service without variables of its own: `parseConfig(commonConfig, process.env)`. */
export const commonConfig = commonObject.transform(toCommonConfig);

/** The variables that `migrate.js` needs: the database as the deploy role. */
export const databaseVariables = {
  KEYMESH_DATABASE_URL: commonVariables.KEYMESH_DATABASE_URL,
  KEYMESH_DATABASE_PASSWORD_FILE: commonVariables.KEYMESH_DATABASE_PASSWORD_FILE,
} satisfies z.ZodRawShape;

const migrationNames = z.record(z.string(), z.array(z.string()));
const migrateOnly = z.string().transform((text, context): z.output<typeof migrationNames> => {
  try {
    return migrationNames.parse(JSON.parse(text));
  } catch {
    context.issues.push({
      code: 'custom',
      input: undefined,
      message: 'must be {"schema": ["migration", …], …}',
    });
    return z.NEVER;
  }
});

/** `parseConfig(databaseConfig, process.env)` → `{ database: { url, password, only } }`, for `migrate.ts`. */
export const databaseConfig = z
  .object({
    ...databaseVariables,
    KEYMESH_MIGRATE_ONLY: migrateOnly
      .optional()
      .describe('By schema, the only migrations to apply: a restore fills tables as they were then.'),
  })
  .transform((variables) => ({
    database: {
      url: variables.KEYMESH_DATABASE_URL,
      password: variables.KEYMESH_DATABASE_PASSWORD_FILE,
      only: variables.KEYMESH_MIGRATE_ONLY,
    },
  }));
