/** How an error code behaves at every edge: the bus, the CLI and the SDK read the same entry. */
export interface ErrorCodeEntry {
  /** Number in the `Nats-Service-Error-Code` header (HTTP meanings; NATS ADR-32). */
  readonly status: number;
  /** Exit code of the CLI: 1 failure, 2 usage, 3 denied, 4 not found, 5 unavailable. */
  readonly exitCode: 1 | 2 | 3 | 4 | 5;
  /** Whether the same request may succeed later unchanged. */
  readonly retryable: boolean;
  /** What the person who asked is told when the thrower has no better sentence. */
  readonly message: string;
}

const entry = (
  status: number,
  exitCode: ErrorCodeEntry['exitCode'],
  retryable: boolean,
  message: string,
): ErrorCodeEntry => ({
  status,
  exitCode,
  retryable,
  message,
});

/** The closed catalogue of error codes. docs/reference/errors.md is generated from it. */
export const ERROR_CATALOGUE = {
  // The request itself
  BAD_REQUEST: entry(
    400,
    2,
    false,
    'The request is not of the shape this operation takes. Check the fields named in the message.',
  ),
  MALFORMED_MESSAGE: entry(
    400,
    2,
    false,
    'The message is not valid JSON framed by Keymesh-Parts. See docs/reference/bus.md.',
  ),
  UNKNOWN_OPERATION: entry(
    404,
    2,
    false,
    'There is no such operation. See docs/reference/bus.md for the subjects.',
  ),
  PAYLOAD_TOO_LARGE: entry(
    413,
    2,
    false,
    'The message is larger than 900 KiB, or the value larger than 64 KiB. Send less.',
  ),
  DEADLINE_EXCEEDED: entry(
    408,
    5,
    true,
    'The deadline passed before the work was done. Ask again, with a longer deadline if it repeats.',
  ),
  // Who asks
  CHANNEL_REQUIRED: entry(
    401,
    5,
    true,
    'This operation needs the encrypted channel. Use the SDK or CLI, or the role plain-reply where allowed.',
  ),
  CHANNEL_EXPIRED: entry(
    401,
    5,
    true,
    'The channel session is no longer valid. Open a new one; the SDK does so by itself.',
  ),
  CHANNEL_REJECTED: entry(
    401,
    3,
    false,
    'The channel set-up or message was not authentic. Check the profile and its enrolment.',
  ),
  REPLAYED: entry(409, 1, false, 'This request was already received. Send a new request id.'),
  DENIED: entry(403, 3, false, 'The policy does not allow this. Ask an operator for a role that does.'),
  PRINCIPAL_LOCKED: entry(
    403,
    3,
    true,
    'This principal is locked for a while. Wait, or ask an operator to unlock it.',
  ),
  ENROLMENT_REJECTED: entry(
    403,
    3,
    false,
    'The enrolment token is unknown, used, expired, or for another mesh. Ask for a new one.',
  ),
  IDENTITY_REJECTED: entry(
    403,
    3,
    false,
    'This proof of identity is not accepted: no rule fits it, or it does not hold now. An operator sees the reason in the audit log.',
  ),
  STATEMENT_REJECTED: entry(
    403,
    3,
    false,
    'The signed statement is not by an operator of this mesh, or is out of order.',
  ),
  KILL_SWITCH_NOT_FOUND: entry(
    404,
    4,
    false,
    'There is no such kill switch in force. See `keymesh kill-switch list`.',
  ),
  APPROVAL_REQUIRED: entry(
    403,
    3,
    true,
    'The policy allows this only with approvals. Ask for them with `keymesh approval request`, then ask again.',
  ),
  APPROVAL_NOT_FOUND: entry(
    404,
    4,
    false,
    'There is no such approval request, or it has expired. See `keymesh approval list`.',
  ),
  POLICY_INVALID: entry(
    400,
    2,
    false,
    'The policy is not valid. The message names the policy, the place and the rule; nothing was changed.',
  ),
  POLICY_TEST_FAILED: entry(409, 1, false, 'A case of the policy test came out otherwise than it was to.'),
  POLICY_NOT_FOUND: entry(404, 4, false, 'There is no such policy. See `keymesh policy list`.'),
  DECISION_NOT_FOUND: entry(
    404,
    4,
    false,
    'The audit log has no such record, or it is of no decision. See `keymesh audit tail`.',
  ),
  // Credentials
  CREDENTIAL_NOT_FOUND: entry(
    404,
    4,
    false,
    'There is no such credential, or you may not know of it. Check the name with `keymesh list`.',
  ),
  CREDENTIAL_EXISTS: entry(
    409,
    1,
    false,
    'A credential of this name exists. Pass expectedVersion (CLI: --new-version) to store a new version of it.',
  ),
  CREDENTIAL_NAME_INVALID: entry(
    400,
    2,
    false,
    'A name is lower-case letters, digits, dot, underscore and hyphen, up to 128 a segment, with / between namespaces.',
  ),
  CREDENTIAL_TYPE_UNKNOWN: entry(400, 2, false, 'There is no such credential type. See `keymesh type list`.'),
  CREDENTIAL_VALUES_INVALID: entry(400, 2, false, 'The value does not have the parts that its type takes.'),
  CREDENTIAL_EMPTY: entry(400, 2, false, 'The value is empty. Give at least one byte.'),
  CREDENTIAL_WEAK: entry(
    422,
    1,
    false,
    'The credential policy refuses this value. See the findings for what to change.',
  ),
  CREDENTIAL_DAMAGED: entry(
    500,
    1,
    false,
    'The stored credential does not open: it was changed or moved outside Keymesh. Restore it, and start an incident.',
  ),
  CREDENTIAL_INACTIVE: entry(
    409,
    1,
    false,
    'The credential is deactivated. Ask its owner, or activate it with `keymesh activate`.',
  ),
  CREDENTIAL_EXPIRED: entry(
    409,
    1,
    false,
    'The credential has expired and its policy refuses expired values. Rotate it or store a new version.',
  ),
  CREDENTIAL_NOT_DELETED: entry(
    409,
    1,
    false,
    'The credential is not deleted, or can no longer be restored: its recovery window is over.',
  ),
  VERSION_DESTROYED: entry(410, 4, false, 'This version was destroyed. See `keymesh history`.'),
  VERSION_IN_USE: entry(
    409,
    1,
    false,
    'The version is current or pending. Store or rotate to a new one first, or delete the credential.',
  ),
  VERSION_CONFLICT: entry(
    409,
    1,
    false,
    'The credential has another version than expectedVersion says. Read it again and decide.',
  ),
  VERSION_NOT_FOUND: entry(
    404,
    4,
    false,
    'There is no such version of this credential. See `keymesh history`.',
  ),
  // Keys
  VAULT_LOCKED: entry(
    503,
    5,
    true,
    'The vault is locked. An operator unlocks it with `keymesh vault unlock`.',
  ),
  KEY_JOB_RUNNING: entry(
    409,
    1,
    true,
    'A key job of this namespace is running. Wait for it, or see `keymesh key jobs`.',
  ),
  NAMESPACE_NOT_FOUND: entry(404, 4, false, 'There is no such namespace. See `keymesh key status`.'),
  KEY_IN_USE: entry(
    409,
    1,
    false,
    'This key version still wraps rows. Run `keymesh key rewrap` first, then destroy it.',
  ),
  KEY_JOB_NOT_FOUND: entry(404, 4, false, 'There is no such key job. See `keymesh key jobs`.'),
  // Rotation
  ROTATION_UNSUPPORTED: entry(
    409,
    1,
    false,
    'This credential has no rotation adapter. Store it with --generate or --rotation, or store the new value with --new-version.',
  ),
  ROTATION_IN_PROGRESS: entry(409, 1, true, 'A rotation of this credential is running. Wait for it to end.'),
  ROTATION_FAILED: entry(
    502,
    1,
    true,
    'The rotation failed before it finished; the old version still works. See the reason in its record.',
  ),
  // Leases
  LEASE_NOT_FOUND: entry(
    404,
    4,
    false,
    'There is no such lease, or it is not yours. See `keymesh lease list`.',
  ),
  LEASE_LIMIT_REACHED: entry(
    429,
    1,
    true,
    'This principal holds as many leases as it may. Revoke some, or let them expire.',
  ),
  LEASE_EXPIRED: entry(409, 1, false, 'The lease has ended. Issue a new one.'),
  // Batch, import and export
  BATCH_TOO_LARGE: entry(
    413,
    2,
    false,
    'The batch has more items or bytes than one request may. Send several.',
  ),
  IMPORT_INVALID: entry(
    400,
    2,
    false,
    'The file cannot be imported. The message names the line and the rule; nothing was stored.',
  ),
  BUNDLE_INVALID: entry(
    400,
    1,
    false,
    'The export does not open: another passphrase or key, or it was changed. Nothing was stored.',
  ),
  TEMPLATE_NOT_FOUND: entry(404, 4, false, 'There is no such template. See `keymesh template list`.'),
  // Principals
  PRINCIPAL_EXISTS: entry(409, 1, false, 'A principal of this name exists. Choose another name.'),
  PRINCIPAL_NOT_FOUND: entry(404, 4, false, 'There is no such principal. See `keymesh principal list`.'),
  // The mesh
  AUDIT_UNAVAILABLE: entry(
    503,
    5,
    true,
    'No value was released because its audit record could not be made durable. Try again; see docs/operations/audit.md.',
  ),
  LOG_INCONSISTENT: entry(
    500,
    1,
    false,
    'The audit log does not match its signed checkpoint. Keep every copy and start an incident.',
  ),
  KMS_UNAVAILABLE: entry(
    503,
    5,
    true,
    'The key management service does not answer and no cached key serves. Try again; check the KMS.',
  ),
  RECOVERY_SHARES_INVALID: entry(
    400,
    2,
    false,
    'The recovery shares do not open the recovery key. Bring as many unaltered shares of one key as its threshold says.',
  ),
  STORE_UNAVAILABLE: entry(503, 5, true, 'The database does not answer. Try again; check Postgres.'),
  POLICY_UNAVAILABLE: entry(
    503,
    5,
    true,
    'No valid policy bundle is at hand, so everything is denied. Check the policy service.',
  ),
  RATE_LIMITED: entry(429, 5, true, 'Too many requests from this principal. Wait a second and ask again.'),
  UNAVAILABLE: entry(503, 5, true, 'The service is not ready, or nobody answers. Check `keymesh status`.'),
  DECRYPTION_FAILED: entry(500, 1, false, 'The data does not open.'),
  INTERNAL: entry(
    500,
    1,
    true,
    'Something went wrong inside Keymesh. The trace id in this error finds it in the logs.',
  ),
  // Backup
  BACKUP_INVALID: entry(
    400,
    1,
    false,
    'The backup is damaged, cut off, changed, or not of this mesh. Use another one; see `keymesh backup list`.',
  ),
  BACKUP_NOT_FOUND: entry(404, 4, false, 'There is no such backup. See `keymesh backup list`.'),
  BACKUP_TARGET_NOT_EMPTY: entry(
    409,
    1,
    false,
    'There is a mesh already. Restore into an empty KEYMESH_HOME and database, or pass --replace.',
  ),
  BACKUP_TARGET_UNAVAILABLE: entry(
    503,
    5,
    true,
    'The storage for backups does not take or give them. Check KEYMESH_BACKUP_TO, its space and its permissions.',
  ),
  // The host: launcher, CLI, SDK
  MESH_NOT_RUNNING: entry(
    503,
    5,
    true,
    'No mesh answers there. On its machine start it with `npm start`, or check KEYMESH_HOME; elsewhere check --nats-url, or natsUrl of the profile.',
  ),
  PROFILE_NOT_FOUND: entry(
    404,
    2,
    false,
    'There is no such profile. See KEYMESH_HOME/profiles, or enrol one with `keymesh enrol`.',
  ),
  PROFILE_INVALID: entry(400, 2, false, 'The profile file is damaged or readable by others. Enrol again.'),
  USAGE: entry(400, 2, false, 'The command is not used this way. See --help.'),
  PORT_IN_USE: entry(
    409,
    1,
    true,
    'A port that Keymesh needs is taken. Free it, choose another, or use --auto-ports.',
  ),
  CONFIG_INVALID: entry(
    400,
    2,
    false,
    'The configuration is not valid. The message names each variable and its rule.',
  ),
} as const satisfies Record<string, ErrorCodeEntry>;

export type ErrorCode = keyof typeof ERROR_CATALOGUE;

export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(ERROR_CATALOGUE, code);
