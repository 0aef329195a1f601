import { SERVICES } from './identity.js';
import {
  ACCOUNTS,
  identityPermissions,
  SIEM_SERVICES,
  SIEM_STREAMS,
  STATIC_IDENTITIES,
  type StaticIdentity,
  type SubjectPermissions,
} from './permissions.js';
import { subjects } from './subjects.js';

/** What the accounts block needs to know: public keys only. */
export interface NatsAccountsOptions {
  /** Public nkey (`U…`) of every static identity. */
  readonly publicNkeys: Readonly<Record<StaticIdentity, string>>;
  /** Public account nkey (`A…`) that signs what the auth callout answers. */
  readonly calloutIssuer: string;
  /** Public curve key (`X…`) that the server encrypts callout requests to. */
  readonly calloutXkey: string;
}

export interface NatsConfigOptions extends NatsAccountsOptions {
  readonly host: string;
  readonly port: number;
  readonly jetstreamDir: string;
  /** Upper bound of what JetStream may store, bytes; the streams' own bounds add up to 19 GiB. Default 32 GiB. */
  readonly maxStoreBytes?: number;
  /** Paths of PEM files. Absent: no TLS (loopback only). */
  readonly tls?: {
    readonly certFile: string;
    readonly keyFile: string;
    readonly caFile?: string;
    /** Nobody connects without a certificate under `caFile`, the mesh's own services included. */
    readonly verifyClients?: boolean;
  };
  readonly logFile?: string;
}

const GIB = 2 ** 30;
/** A string of the server's configuration language. JSON's escapes are a subset of its own. */
const text = (value: string): string => JSON.stringify(value);
const list = (values: readonly string[]): string => `[${values.map(text).join(', ')}]`;

// The server gives every account without JetStream an import of the whole `$JS.API.>` that answers "not enabled", in a race with the
// answer of MESH; but not where `$JS.API.INFO` is imported already. So SIEM imports that from a subject that nobody serves.
const NOBODY = 'keymesh.v1.nobody';

/**
 * The accounts, users and auth callout of the mesh (ADR 0001), for the embedded server and for a server of the user's own.
 * Deterministic. Holds no secret.
 */
export function renderAccountsBlock(options: NatsAccountsOptions): string {
  const { publicNkeys, calloutIssuer, calloutXkey } = options;
  const user = (identity: StaticIdentity): string =>
    renderUser(identity, publicNkeys[identity], identityPermissions(identity));
  return `accounts {
  ${ACCOUNTS.mesh} {
    jetstream: enabled
    users: [
${[...SERVICES, 'deploy' as const].map(user).join('\n')}
    ]
    exports: [
      { service: ${text(subjects.rpcAll)}, accounts: [${ACCOUNTS.clients}] }
      { stream: ${text(subjects.pushAll)}, accounts: [${ACCOUNTS.clients}] }
${SIEM_SERVICES.map(siemExport).join('\n')}
      { service: ${text(NOBODY)}, accounts: [${ACCOUNTS.siem}] }
${SIEM_STREAMS.map((subject) => `      { stream: ${text(subject)}, accounts: [${ACCOUNTS.siem}] }`).join('\n')}
    ]
  }
  ${ACCOUNTS.clients} {
    imports: [
      # share: services are told from which address a client asks.
      { service: { account: ${ACCOUNTS.mesh}, subject: ${text(subjects.rpcAll)} }, share: true }
      { stream: { account: ${ACCOUNTS.mesh}, subject: ${text(subjects.pushAll)} } }
    ]
  }
  ${ACCOUNTS.siem} {
    imports: [
      { service: { account: ${ACCOUNTS.mesh}, subject: ${text(NOBODY)} }, to: "$JS.API.INFO" }
${SIEM_SERVICES.map((subject) => `      { service: { account: ${ACCOUNTS.mesh}, subject: ${text(subject)} } }`).join('\n')}
${SIEM_STREAMS.map((subject) => `      { stream: { account: ${ACCOUNTS.mesh}, subject: ${text(subject)} } }`).join('\n')}
    ]
  }
  ${ACCOUNTS.sys} {
    users: [
${user('sys')}
    ]
  }
}
system_account: ${ACCOUNTS.sys}
authorization {
  timeout: 5
  auth_callout {
    issuer: ${text(calloutIssuer)}
    account: ${ACCOUNTS.mesh}
    auth_users: ${list(STATIC_IDENTITIES.map((identity) => publicNkeys[identity]))}
    xkey: ${text(calloutXkey)}
  }
}
`;
}

const renderUser = (identity: StaticIdentity, nkey: string, permissions: SubjectPermissions): string =>
  `      # ${identity}
      { nkey: ${text(nkey)}, permissions: {
        publish: { allow: ${list(permissions.publish)} }
        subscribe: { allow: ${list(permissions.subscribe)} }
      } }`;

// A pull is answered by many messages: with the default response type only the first would come through.
const siemExport = (subject: string): string =>
  `      { service: ${text(subject)}, accounts: [${ACCOUNTS.siem}]${subject.includes('.MSG.NEXT.') ? ', response_type: Stream' : ''} }`;

/**
 * The whole configuration of the embedded nats-server. JetStream syncs every write before it acknowledges
 * (`sync_interval: always`), without which a power cut loses whole streams.
 */
export function renderNatsConfig(options: NatsConfigOptions): string {
  const { host, port, jetstreamDir, tls, logFile } = options;
  return `# Written by Keymesh. Changes are overwritten.
listen: ${text(`${host}:${port}`)}
server_name: keymesh
max_payload: 1048576
max_control_line: 4096
write_deadline: "10s"
ping_interval: "30s"
${logFile === undefined ? '' : `log_file: ${text(logFile)}\nlogfile_size_limit: 50MB\n`}${tls === undefined ? '' : renderTls(tls)}jetstream {
  store_dir: ${text(jetstreamDir)}
  sync_interval: always
  max_memory_store: 67108864
  max_file_store: ${options.maxStoreBytes ?? 32 * GIB}
}
${renderAccountsBlock(options)}`;
}

const renderTls = ({
  certFile,
  keyFile,
  caFile,
  verifyClients = false,
}: NonNullable<NatsConfigOptions['tls']>): string =>
  `tls {
  cert_file: ${text(certFile)}
  key_file: ${text(keyFile)}
${caFile === undefined ? '' : `  ca_file: ${text(caFile)}\n`}${verifyClients ? '  verify: true\n' : ''}  min_version: "1.3"
}
`;
