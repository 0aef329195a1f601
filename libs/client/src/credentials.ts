import {
  retrieveCredential,
  rotateCredential,
  storeCredential,
  type ReplyOf,
  type RequestInput,
} from '@keymesh/contracts';
import type { Caller, MeshConnection } from '@keymesh/mesh';
import { makeBatch, type BatchOperations } from './batch.js';
import { makeLifecycle, type LifecycleOperations } from './lifecycle.js';
import { RetrievedCredential } from './retrieved-credential.js';
import { valueParts, type GivenValue } from './value-parts.js';
import { watchCredential, type Watch } from './watch-credential.js';

/** What `store` takes: the operation's request, with the value given plainly. */
export interface StoreRequest extends Omit<RequestInput<typeof storeCredential>, 'values'>, GivenValue {}

/** Per call: how long to wait, at most 30,000 ms (default 5,000), and a way to give up. */
export interface CallOptions {
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

/** Credentials as one principal may use them. Every method throws KeymeshError with a code of docs/reference/errors.md. */
export interface Credentials extends BatchOperations, LifecycleOperations {
  /** Stores a new credential, or with `expectedVersion` a new version. @throws CREDENTIAL_EXISTS, CREDENTIAL_WEAK, … */
  store(request: StoreRequest, options?: CallOptions): Promise<ReplyOf<typeof storeCredential>>;
  /** @throws CREDENTIAL_NOT_FOUND also when it may not be known of. */
  retrieve(
    name: string,
    options?: CallOptions & {
      readonly version?: number;
      readonly stage?: 'current' | 'previous';
      /** What for: a claim, that policies may ask for and that stands in the record. */
      readonly purpose?: string;
    },
  ): Promise<RetrievedCredential>;
  /** Rotates now, and waits. @throws ROTATION_UNSUPPORTED, ROTATION_IN_PROGRESS, ROTATION_FAILED */
  rotate(name: string, options?: CallOptions): Promise<ReplyOf<typeof rotateCredential>>;
  /**
   * Calls `onChange` with the current value now and after every new version, in order and never an older one.
   * Pushes make it quick; a poll a minute and every reconnect make it certain. The callback owns the value.
   */
  watch(name: string, onChange: (credential: RetrievedCredential) => void | Promise<void>): Promise<Watch>;
}

const ROTATE_DEADLINE_MS = 30_000;

/** The credential operations over one connection. */
export function makeCredentials(connection: MeshConnection, caller: Caller): Credentials {
  const retrieve: Credentials['retrieve'] = async (name, { version, stage, purpose, ...options } = {}) => {
    const request = {
      name,
      ...(version === undefined ? {} : { version }),
      ...(stage === undefined ? {} : { stage }),
      ...(purpose === undefined ? {} : { purpose }),
    };
    return new RetrievedCredential(await caller.call(retrieveCredential, request, options));
  };
  return {
    ...makeBatch(caller),
    ...makeLifecycle(caller),
    retrieve,
    store: async ({ value, username, values, ...request }, options) => {
      const parts = valueParts(request.type, { value, username, values });
      try {
        return await caller.call(
          storeCredential,
          parts === undefined ? request : { ...request, values: parts },
          options,
        );
      } finally {
        // These are this method's own copies.
        for (const part of Object.values(parts ?? {})) part.dispose();
      }
    },
    rotate: (name, options) =>
      caller.call(rotateCredential, { name }, { deadlineMs: ROTATE_DEADLINE_MS, ...options }),
    watch: (name, onChange) => watchCredential({ connection, retrieve: () => retrieve(name), onChange }),
  };
}
