import type { KeyJobKind, KeyJobProgress, KeyJobState } from '@keymesh/contracts';
import type { Announcement } from './mutations.js';
import type { WrappedKek } from '../kms/keyring.js';
import type { LockState } from './vault-lock.js';

/**
 * Work over many rows that goes on beside everything else: rewrap, reencrypt, rewrap-root. `running` → `completed`, `cancelled` or `failed`.
 * INVARIANT: rows and cursor are committed together, so whoever takes a job up finds every row either done or as it was.
 */
export interface KeyJob {
  readonly jobId: string;
  readonly kind: KeyJobKind;
  /** Null for `rewrap-root`. */
  readonly namespaceId: string | null;
  readonly namespace: string | null;
  /** Set where only one credential is reencrypted. */
  readonly credentialId: string | null;
  readonly state: KeyJobState;
  /** The last row that is done; null before the first, and where another pass begins. `version` is of a credential's version. */
  readonly cursor: { readonly id: string; readonly version: number } | null;
  readonly done: number;
  readonly total: number;
  readonly damaged: number;
  readonly startedBy: string;
  readonly startedAtMs: number;
  readonly finishedAtMs: number | null;
  readonly error: string | null;
}

/** What is asked for; the rest of a job follows. */
export type KeyJobOrder = Pick<KeyJob, 'kind' | 'namespaceId' | 'credentialId'>;

/** A namespace with its newest KEK, locked. */
export interface LockedNamespace {
  readonly namespaceId: string;
  readonly latestVersion: number;
}

/** One Postgres transaction over keys and jobs. */
export interface KeyTransaction {
  /** @throws NAMESPACE_NOT_FOUND */
  lockNamespace(namespace: string): Promise<LockedNamespace>;
  /** Retires the active KEK and adds this one as the active. */
  activateKek(kek: WrappedKek): Promise<void>;
  /** Wipes a KEK that is retired and wraps nothing. @throws NAMESPACE_NOT_FOUND, KEY_IN_USE */
  destroyKek(namespace: string, version: number): Promise<{ readonly kekId: string }>;
  /** @throws KEY_JOB_RUNNING when one runs on this namespace (or, `rewrap-root`, on the root) */
  startJob(order: KeyJobOrder, by: string): Promise<KeyJob>;
  /** Waits for the batch at hand. @throws KEY_JOB_NOT_FOUND. @returns whether it ran until now. */
  cancelJob(jobId: string): Promise<{ readonly job: KeyJob; readonly cancelled: boolean }>;
  /** Locks or unlocks the vault. @returns the state as it now is. */
  setLock(locked: boolean, by: string): Promise<LockState>;
  /** Every namespace with a KEK. */
  listNamespaces(): Promise<readonly { readonly namespaceId: string; readonly namespace: string }[]>;
  announce(announcement: Announcement): Promise<void>;
}

/** Runs changes of keys: one transaction each, once per (principal, request id). */
export interface KeyMutations {
  /** @param work may run again after a deadlock: it must have no effect but through the transaction. @throws STORE_UNAVAILABLE, or what `work` throws */
  run<Reply extends object>(
    call: { readonly principal: string; readonly requestId: string },
    work: (transaction: KeyTransaction) => Promise<Reply>,
  ): Promise<Reply>;
}

/** One KEK as `keyStatus` tells of it. */
export interface KekFacts {
  readonly namespace: string;
  readonly kekId: string;
  readonly version: number;
  readonly active: boolean;
  readonly destroyed: boolean;
  readonly createdAtMs: number;
  readonly provider: string;
  readonly providerKeyId: string;
  readonly rows: number;
}

/** Reads of keys and jobs. @throws STORE_UNAVAILABLE */
export interface KeyReports {
  findJob(jobId: string): Promise<KeyJob | undefined>;
  /** Running ones first, then the newest. */
  listJobs(limit: number): Promise<readonly KeyJob[]>;
  /** By namespace and version. @param namespace undefined: all */
  listKeks(namespace: string | undefined): Promise<readonly KekFacts[]>;
  /** For metrics. */
  readKekAges(): Promise<{ readonly oldestActiveAtMs: number | undefined; readonly retiredRows: number }>;
  listSystemKeys(): Promise<
    readonly { readonly purpose: string; readonly provider: string; readonly providerKeyId: string }[]
  >;
}

/** What may be told of a job. */
export const toProgress = (job: KeyJob): KeyJobProgress => ({
  jobId: job.jobId,
  kind: job.kind,
  namespace: job.namespace,
  credentialId: job.credentialId,
  state: job.state,
  done: job.done,
  total: Math.max(job.total, job.done),
  damaged: job.damaged,
  startedBy: job.startedBy,
  startedAt: new Date(job.startedAtMs).toISOString(),
  finishedAt: job.finishedAtMs === null ? null : new Date(job.finishedAtMs).toISOString(),
  error: job.error,
});
