import {
  activateCredential,
  credentialHistory,
  deactivateCredential,
  deleteCredential,
  describeCredential,
  destroyVersion,
  listCredentials,
  restoreCredential,
  updateCredential,
  type CredentialMetadata,
  type ReplyOf,
  type RequestInput,
} from '@keymesh/contracts';
import type { Caller } from '@keymesh/mesh';
import type { CallOptions } from './credentials.js';

/** A credential by its name, or by its id, which also finds a deleted one. */
export type WhichCredential = string | { readonly credentialId: string };

/** What `list` asks for; absent conditions leave all in but deleted ones. */
export type ListFilter = Omit<RequestInput<typeof listCredentials>, 'pageToken'>;

/** What `update` changes: absent stays, null is cleared. */
export type CredentialChanges = Omit<RequestInput<typeof updateCredential>, 'name'>;

/** What can be known of credentials and done to them without touching a value. */
export interface LifecycleOperations {
  /**
   * All that the caller may see, in order of name; asks page after page.
   * @param options `onStale` is called when the database is away: what was stored or deleted since may be missing.
   */
  list(
    filter?: ListFilter,
    options?: CallOptions & { readonly onStale?: () => void },
  ): Promise<CredentialMetadata[]>;
  describe(which: WhichCredential, options?: CallOptions): Promise<CredentialMetadata>;
  /** Every version there ever was, oldest first. */
  history(which: WhichCredential, options?: CallOptions): Promise<ReplyOf<typeof credentialHistory>>;
  /** @throws VERSION_CONFLICT when `expectedRevision` is not its revision any more. */
  update(name: string, changes: CredentialChanges, options?: CallOptions): Promise<CredentialMetadata>;
  activate(name: string, options?: CallOptions): Promise<ReplyOf<typeof activateCredential>>;
  /** Resolves when no instance of the vault hands it out any more; a retrieve is CREDENTIAL_INACTIVE then. */
  deactivate(name: string, options?: CallOptions): Promise<ReplyOf<typeof deactivateCredential>>;
  /** Deletes it; it can be restored within its recovery window. `recoveryDays` 0 destroys its versions now. */
  delete(
    name: string,
    options?: CallOptions & { readonly expectedVersion?: number; readonly recoveryDays?: number },
  ): Promise<ReplyOf<typeof deleteCredential>>;
  /** Takes a deletion back; by name that of the one deleted last. @throws CREDENTIAL_EXISTS when the name is taken: name another with `as`. */
  restore(
    which: WhichCredential,
    options?: CallOptions & { readonly as?: string },
  ): Promise<ReplyOf<typeof restoreCredential>>;
  /** Destroys a previous or revoked version for ever. @throws VERSION_IN_USE for the current or pending one. */
  destroyVersion(
    name: string,
    version: number,
    options?: CallOptions,
  ): Promise<ReplyOf<typeof destroyVersion>>;
}

const requestOf = (which: WhichCredential) => (typeof which === 'string' ? { name: which } : which);

export function makeLifecycle(caller: Caller): LifecycleOperations {
  return {
    list: async (filter = {}, { onStale, ...options } = {}) => {
      const all: CredentialMetadata[] = [];
      let stale = false;
      let pageToken: string | null = null;
      do {
        const page: ReplyOf<typeof listCredentials> = await caller.call(
          listCredentials,
          { ...filter, ...(pageToken === null ? {} : { pageToken }) },
          options,
        );
        all.push(...page.credentials);
        stale ||= page.stale;
        pageToken = page.nextPageToken;
      } while (pageToken !== null);
      if (stale) onStale?.();
      return all;
    },
    describe: (which, options) => caller.call(describeCredential, requestOf(which), options),
    history: (which, options) => caller.call(credentialHistory, requestOf(which), options),
    update: (name, changes, options) => caller.call(updateCredential, { name, ...changes }, options),
    activate: (name, options) => caller.call(activateCredential, { name }, options),
    deactivate: (name, options) => caller.call(deactivateCredential, { name }, options),
    delete: (name, { expectedVersion, recoveryDays, ...options } = {}) =>
      caller.call(
        deleteCredential,
        {
          name,
          ...(expectedVersion === undefined ? {} : { expectedVersion }),
          ...(recoveryDays === undefined ? {} : { recoveryDays }),
        },
        options,
      ),
    restore: (which, { as, ...options } = {}) =>
      caller.call(restoreCredential, { ...requestOf(which), ...(as === undefined ? {} : { as }) }, options),
    destroyVersion: (name, version, options) => caller.call(destroyVersion, { name, version }, options),
  };
}
