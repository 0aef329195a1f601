import { accessSync, constants } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { cliHome } from '../config.js';
import { homeAt } from './home.js';
import type { ServerTls } from './nats-tls.js';
import { failure } from '@keymesh/contracts';
import { z } from 'zod';

/** A port that is wanted, and the variable that sets it. */
export interface PortWish {
  readonly variable: string;
  readonly what: string;
  readonly port: number;
}

/** What keeps the root key; `local` is master.key in KEYMESH_HOME. */
export interface KmsChoice {
  readonly name: string;
  /** What the operator has set for it; the vault reads and checks it. */
  readonly variables: Readonly<Record<string, string>>;
}

export interface LauncherConfig {
  readonly home: string;
  /** The repository: where apps' builds are. */
  readonly root: string;
  readonly autoPorts: boolean;
  readonly dev: boolean;
  readonly ports: { readonly http: PortWish; readonly nats: PortWish; readonly postgres: PortWish };
  /** A NATS server of the user's; absent: a child process. */
  readonly natsUrl: string | undefined;
  /** TLS of the child: with a certificate made here, or with the operator's files. Undefined: plain, on loopback. */
  readonly natsTls: 'made' | ServerTls | undefined;
  /** A Postgres of the user's (an admin's URL); absent: the embedded one. */
  readonly database: { readonly url: string; readonly passwordFile: string | undefined } | undefined;
  readonly natsServer: string;
  readonly kms: KmsChoice;
  /** `variables` go to whatever makes or reads backups. `everyMs`: absent without a schedule. */
  readonly backup: {
    readonly to: string | undefined;
    readonly everyMs: number | undefined;
    readonly variables: Readonly<Record<string, string>>;
  };
  readonly plainReply: 'allow' | 'never';
  readonly logLevel: string;
  /** What every child may see of our environment: never more. */
  readonly passed: Readonly<Record<string, string>>;
}

const port = (fallback: number) =>
  z
    .string()
    .default(String(fallback))
    .refine((text) => /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535, {
      error: 'must be a port from 1 to 65535',
    })
    .transform(Number);
const flag = z.enum(['true', 'false'], { error: 'must be true or false' }).default('false');
const urlOf = (...protocols: string[]) =>
  z
    .string()
    .refine(
      (text) => protocols.includes(URL.parse(text)?.protocol ?? '') && URL.parse(text)?.password === '',
      {
        error: `must start with ${protocols.map((one) => `${one}//`).join(' or ')} and hold no password`,
      },
    )
    .optional();

const UNITS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const millisecondsOf = (text: string): number =>
  Number(text.slice(0, -1)) * UNITS[text.slice(-1) as keyof typeof UNITS];

const variables = z.object({
  KEYMESH_HOME: z.string().optional(),
  KEYMESH_HTTP_PORT: port(7400),
  KEYMESH_NATS_PORT: port(7422),
  KEYMESH_POSTGRES_PORT: port(7432),
  KEYMESH_AUTO_PORTS: flag,
  KEYMESH_NATS_URL: urlOf('nats:', 'tls:'),
  KEYMESH_NATS_TLS: z.enum(['on', 'off'], { error: 'must be on or off' }).default('off'),
  KEYMESH_NATS_SERVER_CERT_FILE: z.string().optional(),
  KEYMESH_NATS_SERVER_KEY_FILE: z.string().optional(),
  KEYMESH_NATS_CA_FILE: z.string().optional(),
  KEYMESH_DATABASE_URL: urlOf('postgres:', 'postgresql:'),
  KEYMESH_DATABASE_PASSWORD_FILE: z.string().optional(),
  KEYMESH_KMS: z.string().default('local'),
  KEYMESH_BACKUP_TO: z.string().optional(),
  KEYMESH_BACKUP_EVERY: z
    .string()
    .refine((text) => /^[1-9]\d{0,4}[mhd]$/.test(text), { error: 'must be like 30m, 6h or 1d' })
    .transform(millisecondsOf)
    .optional(),
  KEYMESH_PLAIN_REPLY: z.enum(['allow', 'never'], { error: 'must be allow or never' }).optional(),
  KEYMESH_LOG_LEVEL: z.string().default('info'),
  NATS_SERVER: z.string().optional(),
});

/** Everything that a child process gets from our environment as it is. Secrets of cloud SDKs only reach the vault, elsewhere. */
const PASSED =
  /^(PATH|HOME|LANG|LC_ALL|TZ|TMPDIR|NODE_EXTRA_CA_CERTS|NODE_COMPILE_CACHE|SSL_CERT_FILE|KEYMESH_NATS_(CA|CERT|KEY)_FILE|OTEL_[A-Z_]+)$/;
/** What a service may be tuned with; each reads its own, checks it and ignores the rest. None of them is a key or a secret. */
const TUNING =
  /^KEYMESH_(ROTATION|DETECTOR|RATE_LIMIT|STALE|RECOVERY|VERSION_CACHE|MAX_BUNDLE_AGE|MAX_UNLEDGERED|START|KEK|CREDENTIAL_POLICY|BREACHED_PASSWORDS|LEASE|TEMPLATES)_[A-Z_]+$/;
const BACKUP_VARIABLES = /^(KEYMESH_BACKUP_(KEEP|S3_[A-Z_]+)|AWS_[A-Z_]+)$/;
const KMS_VARIABLES = /^KEYMESH_KMS_[A-Z0-9_]+$/;
/** Where the SDKs of cloud KMS find who they are; nobody but the vault gets them, and only with another KMS than `local`. */
const CLOUD_VARIABLES = /^(AWS|AZURE|GOOGLE)_[A-Z0-9_]+$/;

const picked = (env: NodeJS.ProcessEnv, names: RegExp): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) =>
      value !== undefined && names.test(name) ? [[name, value]] : [],
    ),
  );

const OPTIONS = ['--dev', '--auto-ports'];

/**
 * Reads the launcher's settings.
 * @throws USAGE for an unknown option; CONFIG_INVALID naming every variable that is not valid and its rule, never a value.
 */
export function parseLauncherConfig(env: NodeJS.ProcessEnv, args: readonly string[]): LauncherConfig {
  const unknown = args.find((arg) => !OPTIONS.includes(arg));
  if (unknown !== undefined) {
    throw failure('USAGE', {
      publicMessage: `There is no option ${unknown}. Options: ${OPTIONS.join(', ')}.`,
    });
  }
  // An empty variable is an unset one, as compose files and shells leave them.
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = variables.safeParse(set);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`);
    throw failure('CONFIG_INVALID', {
      publicMessage: `The environment is not valid: ${problems.join('; ')}.`,
    });
  }
  const v = parsed.data;
  const natsTls = natsTlsChoice(v);
  const home = cliHome(v.KEYMESH_HOME);
  const root = join(import.meta.dirname, '..', '..', '..', '..');
  return {
    home,
    root,
    autoPorts: v.KEYMESH_AUTO_PORTS === 'true' || args.includes('--auto-ports'),
    dev: args.includes('--dev'),
    ports: {
      http: { variable: 'KEYMESH_HTTP_PORT', what: 'the launcher', port: v.KEYMESH_HTTP_PORT },
      nats: { variable: 'KEYMESH_NATS_PORT', what: 'NATS', port: v.KEYMESH_NATS_PORT },
      postgres: { variable: 'KEYMESH_POSTGRES_PORT', what: 'Postgres', port: v.KEYMESH_POSTGRES_PORT },
    },
    natsUrl: v.KEYMESH_NATS_URL,
    natsTls,
    database:
      v.KEYMESH_DATABASE_URL === undefined
        ? undefined
        : { url: v.KEYMESH_DATABASE_URL, passwordFile: v.KEYMESH_DATABASE_PASSWORD_FILE },
    natsServer: v.NATS_SERVER ?? findNatsServer(root, env.PATH ?? ''),
    kms: {
      name: v.KEYMESH_KMS,
      variables: {
        ...picked(set, KMS_VARIABLES),
        ...(v.KEYMESH_KMS === 'local' ? {} : picked(set, CLOUD_VARIABLES)),
      },
    },
    backup: backupOf(env, v),
    // Plain replies only where nobody but this machine can listen.
    plainReply: v.KEYMESH_PLAIN_REPLY ?? (v.KEYMESH_NATS_URL === undefined ? 'allow' : 'never'),
    logLevel: v.KEYMESH_LOG_LEVEL,
    passed: {
      ...picked(env, PASSED),
      ...picked(env, TUNING),
      ...(natsTls === undefined ? {} : { KEYMESH_NATS_CA_FILE: caFileOf(v, home) }),
    },
  };
}

/** @throws CONFIG_INVALID for half of what TLS of the embedded server takes, or for a server that is not ours. */
function natsTlsChoice(v: z.output<typeof variables>): LauncherConfig['natsTls'] {
  const { KEYMESH_NATS_SERVER_CERT_FILE: certFile, KEYMESH_NATS_SERVER_KEY_FILE: keyFile } = v;
  const refuse = (publicMessage: string) => failure('CONFIG_INVALID', { publicMessage });
  const isNamed = certFile !== undefined || keyFile !== undefined;
  if (v.KEYMESH_NATS_TLS === 'off') {
    if (!isNamed) return undefined;
    throw refuse('KEYMESH_NATS_SERVER_CERT_FILE and KEYMESH_NATS_SERVER_KEY_FILE need KEYMESH_NATS_TLS=on.');
  }
  if (v.KEYMESH_NATS_URL !== undefined)
    throw refuse(
      'KEYMESH_NATS_TLS is for the embedded NATS server. With KEYMESH_NATS_URL set TLS up there, and give tls:// and KEYMESH_NATS_CA_FILE here.',
    );
  const caFile = v.KEYMESH_NATS_CA_FILE;
  if (!isNamed && caFile === undefined) return 'made';
  if (certFile === undefined || keyFile === undefined || caFile === undefined)
    throw refuse(
      'A certificate of your own takes KEYMESH_NATS_SERVER_CERT_FILE, KEYMESH_NATS_SERVER_KEY_FILE and KEYMESH_NATS_CA_FILE, its authority. With none of them one is made.',
    );
  return { certFile: resolve(certFile), keyFile: resolve(keyFile) };
}

/** By its whole path: children and profiles are elsewhere. */
const caFileOf = ({ KEYMESH_NATS_CA_FILE: own }: z.output<typeof variables>, home: string): string =>
  own === undefined ? homeAt(home).natsTls.authority : resolve(own);

/** @throws CONFIG_INVALID for a schedule without a place. */
function backupOf(env: NodeJS.ProcessEnv, v: z.output<typeof variables>): LauncherConfig['backup'] {
  const to = v.KEYMESH_BACKUP_TO;
  if (to === undefined && v.KEYMESH_BACKUP_EVERY !== undefined) {
    throw failure('CONFIG_INVALID', {
      publicMessage: 'KEYMESH_BACKUP_EVERY needs KEYMESH_BACKUP_TO: say where backups are kept.',
    });
  }
  // A relative folder is meant from where the person is.
  const place = to === undefined || to.startsWith('s3://') ? to : resolve(to);
  return {
    to: place,
    everyMs: v.KEYMESH_BACKUP_EVERY,
    variables: {
      ...picked(env, BACKUP_VARIABLES),
      ...(place === undefined ? {} : { KEYMESH_BACKUP_TO: place }),
    },
  };
}

/** Where `npm start` puts it (scripts/provision/nats-server.mjs), else PATH. The plain name when it is nowhere: starting it then says so. */
function findNatsServer(root: string, path: string): string {
  const folders = [join(root, '.keymesh-tools'), ...path.split(delimiter)];
  return folders.map((folder) => join(folder, 'nats-server')).find(isExecutable) ?? 'nats-server';
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The environment of this process, for {@link parseLauncherConfig}. */
export const launcherEnvironment = (): NodeJS.ProcessEnv => process.env;
