import { z } from 'zod';
import { defineRpc } from '../rpc.js';
import { credentialName } from '../credential-shapes.js';

// Keys of namespaces and the vault's lock. DESIGN section 5: rotate = new active KEK version; rewrap = same DEK under the active KEK;
// reencrypt = new DEK. No key is ever part of a request or reply.

const namespaceName = z.string().min(1).max(512);
const timestamp = z.iso.datetime();

export const KEY_JOB_KINDS = ['rewrap', 'reencrypt', 'rewrap-root'] as const;
export type KeyJobKind = (typeof KEY_JOB_KINDS)[number];
/** `failed`: it met something that no repetition mends. What it did until then holds, and the rows that it did not reach are as before. */
export const KEY_JOB_STATES = ['running', 'completed', 'cancelled', 'failed'] as const;
export type KeyJobState = (typeof KEY_JOB_STATES)[number];

/** How far a job over the rows of a namespace (or, `rewrap-root`, over the keys that the KMS wraps) has come. */
export const keyJobProgress = z.strictObject({
  jobId: z.uuid(),
  kind: z.enum(KEY_JOB_KINDS),
  /** Null for `rewrap-root`. */
  namespace: namespaceName.nullable(),
  /** Set where only one credential is reencrypted. */
  credentialId: z.uuid().nullable(),
  state: z.enum(KEY_JOB_STATES),
  /** Rows that are done, of about `total`: rows that come meanwhile are done as well. */
  done: z.int(),
  total: z.int(),
  /** Rows that do not open, left as they are: `keymesh fsck vault` names them. */
  damaged: z.int(),
  startedBy: z.string(),
  startedAt: timestamp,
  finishedAt: timestamp.nullable(),
  /** Error code of a failed job, or what a running one is waiting for. */
  error: z.string().nullable(),
});
export type KeyJobProgress = z.output<typeof keyJobProgress>;

/** A new active KEK version of a namespace. What is stored from now on is wrapped by it; older versions stay and open what they wrapped. */
export const rotateKey = defineRpc({
  name: 'rotateKey',
  service: 'vault',
  noun: 'namespace-key',
  verb: 'rotate',
  mutation: true,
  request: z.strictObject({ namespace: namespaceName }),
  reply: z.strictObject({ namespace: namespaceName, kekId: z.uuid(), version: z.int() }),
});

/** Starts a job: data keys under the active KEK, of one namespace or of all; with `root`, KEKs and system keys under the KMS as it is configured now. */
export const rewrapKeys = defineRpc({
  name: 'rewrapKeys',
  service: 'vault',
  noun: 'namespace-key',
  verb: 'rewrap',
  mutation: true,
  request: z
    .strictObject({ namespace: namespaceName.optional(), root: z.boolean().default(false) })
    .refine(({ namespace, root }) => namespace === undefined || !root, 'root is of no single namespace'),
  reply: z.strictObject({ jobs: z.array(keyJobProgress) }),
});

/** Starts a job: a new data key for every version of a namespace, or of one credential. */
export const reencryptNamespace = defineRpc({
  name: 'reencryptNamespace',
  service: 'vault',
  noun: 'namespace-key',
  verb: 'reencrypt',
  mutation: true,
  request: z
    .strictObject({ namespace: namespaceName.optional(), name: credentialName.optional() })
    .refine(
      ({ namespace, name }) => (namespace === undefined) !== (name === undefined),
      'give either namespace or name',
    ),
  reply: z.strictObject({ job: keyJobProgress }),
});

/** @throws KEY_JOB_NOT_FOUND */
export const keyJob = defineRpc({
  name: 'keyJob',
  service: 'vault',
  noun: 'namespace-key',
  verb: 'job',
  request: z.strictObject({ jobId: z.uuid() }),
  reply: keyJobProgress,
});

/** Jobs, newest first: those that run, and the last ones that ended. */
export const listKeyJobs = defineRpc({
  name: 'listKeyJobs',
  service: 'vault',
  noun: 'namespace-key',
  verb: 'list-jobs',
  request: z.strictObject({ limit: z.int().min(1).max(200).default(50) }),
  reply: z.strictObject({ jobs: z.array(keyJobProgress) }),
});

/** Stops a job after the batch at hand. What it did holds; asked of one that has ended, it changes nothing. */
export const cancelKeyJob = defineRpc({
  name: 'cancelKeyJob',
  service: 'vault',
  noun: 'namespace-key',
  verb: 'cancel-job',
  mutation: true,
  request: z.strictObject({ jobId: z.uuid() }),
  reply: keyJobProgress,
});

/** KEKs of a namespace, or of all: age, and how many rows each of them still wraps. */
export const keyStatus = defineRpc({
  name: 'keyStatus',
  service: 'vault',
  noun: 'namespace-key',
  verb: 'status',
  request: z.strictObject({ namespace: namespaceName.optional() }),
  reply: z.strictObject({
    keks: z.array(
      z.strictObject({
        namespace: namespaceName,
        kekId: z.uuid(),
        version: z.int(),
        state: z.enum(['active', 'retired', 'destroyed']),
        createdAt: timestamp,
        ageSeconds: z.int(),
        /** The KMS and its key that wraps it. */
        provider: z.string(),
        providerKeyId: z.string(),
        /** Versions of credentials whose data key it wraps. */
        rows: z.int(),
      }),
    ),
    systemKeys: z.array(
      z.strictObject({ purpose: z.string(), provider: z.string(), providerKeyId: z.string() }),
    ),
    /** The KMS that wraps from now on. */
    root: z.strictObject({ provider: z.string(), providerKeyId: z.string() }),
  }),
});

/** Destroys a retired KEK that wraps nothing any more. Its number stays taken. */
export const destroyKey = defineRpc({
  name: 'destroyKey',
  service: 'vault',
  noun: 'namespace-key',
  verb: 'destroy',
  mutation: true,
  request: z.strictObject({ namespace: namespaceName, version: z.int().min(1) }),
  reply: z.strictObject({ namespace: namespaceName, kekId: z.uuid(), version: z.int() }),
});

/** `reason`: an operator's command, the configuration (KEYMESH_START_LOCKED), or a lock row that is not as the vault wrote it. */
export const vaultLockState = z.strictObject({
  locked: z.boolean(),
  reason: z.enum(['command', 'start', 'unreadable']).nullable(),
  changedBy: z.string().nullable(),
  changedAt: timestamp.nullable(),
});
const toldInstances = z.array(z.strictObject({ instance: z.string(), obeyed: z.boolean() }));

/** Drops every key that opens a value, on every instance. Answers when all have obeyed, or a second has passed, and says who did. */
export const lockVault = defineRpc({
  name: 'lockVault',
  service: 'vault',
  noun: 'vault',
  verb: 'lock',
  mutation: true,
  request: z.strictObject({}),
  reply: z.strictObject({ ...vaultLockState.shape, instances: toldInstances }),
});

/** Lets keys be fetched through the KMS again. */
export const unlockVault = defineRpc({
  name: 'unlockVault',
  service: 'vault',
  noun: 'vault',
  verb: 'unlock',
  mutation: true,
  request: z.strictObject({}),
  reply: z.strictObject({ ...vaultLockState.shape, instances: toldInstances }),
});

/** The lock as the answering instance sees it, and which instances it has heard of lately. */
export const vaultStatus = defineRpc({
  name: 'vaultStatus',
  service: 'vault',
  noun: 'vault',
  verb: 'status',
  request: z.strictObject({}),
  reply: z.strictObject({ ...vaultLockState.shape, instance: z.string(), others: z.array(z.string()) }),
});
