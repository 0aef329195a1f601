import type { AuditRecord, Beside } from '@keymesh/contracts';
import type { Credential, CredentialVersion } from './credential.js';
import type { Values } from './parts.js';

// What operations need of the world. Adapters are in store/, kms/ and transport/; specs use fakes (test/fakes.ts).

/** What memory says about a name or id. `credential` undefined: there is none, and that is known as surely as its presence would be. */
export interface Lookup {
  readonly credential: Credential | undefined;
  /** True when Postgres is away and the answer is from before. */
  readonly stale: boolean;
}

/** Metadata of all credentials, in memory, coherent with Postgres (store/metadata-index.ts). */
export interface MetadataIndex {
  /** @throws STORE_UNAVAILABLE when Postgres is away for longer than may be bridged; CREDENTIAL_DAMAGED. */
  findByName(name: string): Promise<Lookup>;
  /** @throws as findByName */
  findById(credentialId: string): Promise<Lookup>;
  /** Live credentials ordered by name; damaged ones are left out. @throws STORE_UNAVAILABLE */
  listByName(): Promise<{ readonly credentials: readonly Credential[]; readonly stale: boolean }>;
  /** Whether what was found may still be answered from: asked again at release. Synchronous. */
  stillHolds(lookup: Lookup): boolean;
}

/** Deleted credentials that are not in memory: read from Postgres. @throws STORE_UNAVAILABLE, CREDENTIAL_DAMAGED */
export interface DeletedCredentials {
  /** Also one whose versions are destroyed. */
  findById(credentialId: string): Promise<Credential | undefined>;
  /** Of those that can be restored, the one deleted last under this name. */
  findByName(name: string): Promise<Credential | undefined>;
  /** The one deleted last under this name after that moment, its versions destroyed or not; undefined also for a damaged row. */
  findDeletedSince(name: string, sinceMs: number): Promise<Credential | undefined>;
  /** Those that can be restored, ordered by name and id; damaged ones are left out. */
  listByName(): Promise<readonly Credential[]>;
  /** Ids of those whose recovery window is over, at most `limit`. */
  listOverdue(nowMs: number, limit: number): Promise<readonly string[]>;
}

/** Sealed versions, from memory where coherent. */
export interface VersionReader {
  /**
   * @returns undefined when Postgres holds a newer revision of the credential than the caller does: look it up again.
   * @throws VERSION_NOT_FOUND, CREDENTIAL_DAMAGED, STORE_UNAVAILABLE
   */
  read(lookup: Lookup, version: number): Promise<CredentialVersion | undefined>;
  /** As {@link read}, from Postgres whatever is in memory. */
  readAgain(lookup: Lookup, version: number): Promise<CredentialVersion | undefined>;
  /** Forgets what is in memory. */
  forget?(): void;
}

/** Version rows of one credential, oldest first, without their ciphertexts being opened. @throws STORE_UNAVAILABLE, CREDENTIAL_DAMAGED */
export type ListVersions = (credentialId: string) => Promise<readonly CredentialVersion[]>;

/** What binds a ciphertext to its place: it opens nowhere else. */
export interface VersionBinding {
  readonly namespaceId: string;
  readonly credentialId: string;
  readonly version: number;
}

/** The sealed part of a version row. */
export type SealedValue = Pick<
  CredentialVersion,
  'dekId' | 'kekId' | 'kekVersion' | 'wrappedDek' | 'ciphertext'
>;

/** A namespace whose active KEK is unwrapped and at hand, so that sealing is plain computation. */
export interface OpenNamespace {
  readonly namespaceId: string;
  seal(
    binding: Omit<VersionBinding, 'namespaceId'>,
    values: Values,
    options?: { readonly compress?: boolean },
  ): SealedValue;
}

/** Envelope encryption of values. */
export interface ValueVault {
  /** Makes the namespace and its first KEK if they are not there. @throws KMS_UNAVAILABLE, STORE_UNAVAILABLE */
  openNamespace(name: string): Promise<OpenNamespace>;
  /** @returns the parts; the caller disposes them. @throws CREDENTIAL_DAMAGED, KMS_UNAVAILABLE, STORE_UNAVAILABLE */
  open(binding: VersionBinding, sealed: SealedValue): Promise<Values>;
}

export type { PolicyPort } from '@keymesh/service-kit';

/** Resolves when the record is durable. @param deadlineAt by the monotonic clock. @throws AUDIT_UNAVAILABLE */
export type RecordDurably = (
  record: AuditRecord,
  beside: Beside | undefined,
  deadlineAt: number,
) => Promise<void>;
