import type { Stage } from '@keymesh/contracts';
import type { Secret } from '@keymesh/kernel';
import type { Call } from '@keymesh/mesh';
import type { Credential, CredentialVersion } from './credential.js';
import type { ExpiryNotice } from './expiry.js';
import type { LeaseRows } from './leases.js';

/** One Postgres transaction of a mutation. Every read checks the row's HMAC (CREDENTIAL_DAMAGED) and locks the row. */
export interface MutationTransaction {
  /** The live credential of this name, locked; also holds the name, so that nobody else creates it meanwhile. */
  lockByName(name: string): Promise<Credential | undefined>;
  /** The live credential of this id, locked. */
  lockById(credentialId: string): Promise<Credential | undefined>;
  /** The deleted credential of this id, locked, destroyed or not. */
  lockDeleted(credentialId: string): Promise<Credential | undefined>;
  /** The next number of the one sequence. */
  nextRevision(): Promise<number>;
  insertCredential(credential: Credential): Promise<void>;
  updateCredential(credential: Credential): Promise<void>;
  insertVersion(version: CredentialVersion): Promise<void>;
  setStages(
    credentialId: string,
    changes: readonly { readonly version: number; readonly stage: Stage }[],
    revision: number,
  ): Promise<void>;
  findVersion(credentialId: string, version: number): Promise<CredentialVersion | undefined>;
  /** All versions of a credential, oldest first. */
  listVersions(credentialId: string): Promise<readonly CredentialVersion[]>;
  /** Writes over a version's row what may change of it: stage, score, and what destruction takes. */
  updateVersion(version: CredentialVersion): Promise<void>;
  findVersionOfRotation(credentialId: string, rotationId: string): Promise<CredentialVersion | undefined>;
  /**
   * Keyed hash of a value, and whether its namespace knows the value: of another live credential (`reused`), or of an earlier version of this
   * one (`repeated`). Who has it is never said.
   */
  fingerprintValue(
    place: { readonly namespaceId: string; readonly credentialId: string },
    value: Secret,
  ): Promise<Fingerprinted>;
  /** Part of the work whose failure undoes just that part: for what may go on without it. */
  part<Result>(work: () => Promise<Result>): Promise<Result>;
  /** Remembers that this notice is being given. @returns false when it has been given before. */
  claimNotice(notice: ExpiryNotice, nowMs: number): Promise<boolean>;
  /** Whether this transaction is the only one that does this job now; until it ends. */
  holdJob(name: string): Promise<boolean>;
  readonly leases: LeaseRows;
  /** Commits with the rest and goes out after: the audit record (to the journal) and domain events. */
  announce(announcement: Announcement): Promise<void>;
}

export interface Fingerprinted {
  /** 64 hex characters. */
  readonly fingerprint: string;
  readonly reused: boolean;
  readonly repeated: boolean;
}

/** What leaves with a commit. Bytes are final: they are what gets hashed and published. */
export interface Announcement {
  readonly kind: 'journal' | 'event';
  readonly id: string;
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly beside?: Readonly<Record<string, string>> | undefined;
}

/** What a mutation did. `changed` undefined: nothing, because it was done before. */
export interface Mutated<Reply> {
  readonly reply: Reply;
  readonly changed?: Changed | readonly Changed[];
}

export interface Changed {
  readonly name: string;
  readonly credentialId: string;
  /** The reply waits until every instance has dropped what it knew: for what takes away. */
  readonly awaitEveryone?: boolean;
}

/** Runs mutations: one transaction each, once per (principal, request id), and coherent with the other instances before it answers. */
export interface Mutations {
  /**
   * @param work may run again after a deadlock: it must have no effect but through the transaction.
   * @throws STORE_UNAVAILABLE, or what `work` throws; then nothing was changed.
   */
  run<Reply extends object>(
    call: Call,
    work: (transaction: MutationTransaction) => Promise<Mutated<Reply>>,
  ): Promise<Reply>;
  /**
   * For a repeat that finds done what it asks: resolves when every instance has dropped what it knew, as after the change itself. Whoever
   * made it may still be waiting for them, or have died before everybody knew. Never throws.
   */
  awaitEveryone(changed: Omit<Changed, 'awaitEveryone'>): Promise<void>;
}
