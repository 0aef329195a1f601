import { failure, type RequestOf, type RpcContract } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import type { HandlersOf } from '@keymesh/service-kit';
import type { LedgerLag } from '../domain/ledger-lag.js';
import type { RateLimit } from '../domain/rate-limit.js';
import type {
  BATCH_CONTRACTS,
  CREDENTIAL_CONTRACTS,
  KEY_CONTRACTS,
  LEASE_CONTRACTS,
  SHADOW_CONTRACTS,
  TYPE_CONTRACTS,
  VERSION_CONTRACTS,
} from './contracts.js';

/** Nest token of {@link VaultOperations}. */
export const OPERATIONS = Symbol('keymesh.vault.operations');

export type BatchOperations = HandlersOf<typeof BATCH_CONTRACTS>;
export type CredentialOperations = HandlersOf<typeof CREDENTIAL_CONTRACTS>;
export type LeaseOperations = HandlersOf<typeof LEASE_CONTRACTS>;
export type ShadowOperations = HandlersOf<typeof SHADOW_CONTRACTS>;
export type VersionOperations = HandlersOf<typeof VERSION_CONTRACTS>;
export type TypeOperations = HandlersOf<typeof TYPE_CONTRACTS>;
export type KeyOperations = HandlersOf<typeof KEY_CONTRACTS>;
/** Every operation of the vault, by its contract's name. */
export type VaultOperations = TypeOperations &
  CredentialOperations &
  BatchOperations &
  VersionOperations &
  KeyOperations &
  LeaseOperations &
  ShadowOperations;

/**
 * Puts the rate limit in front of an operation, so that what it refuses never reaches the journal.
 * @param thingsOf how many things a request asks for, where that is not one @throws RATE_LIMITED
 */
export const limited =
  (limit: Pick<RateLimit, 'admit'>, onRefused?: () => void) =>
  <C extends RpcContract>(operation: Handler<C>, thingsOf?: (request: RequestOf<C>) => number): Handler<C> =>
  (request, call) => {
    if (limit.admit(call.principal, thingsOf?.(request))) return operation(request, call);
    onRefused?.();
    return Promise.reject(failure('RATE_LIMITED'));
  };

/**
 * Lets an operation that reveals values run only while records reach the ledger in time. It refuses before anything is looked at, so
 * everybody is answered alike, and like every AUDIT_UNAVAILABLE without a record.
 * @throws AUDIT_UNAVAILABLE
 */
export const whileLedgered =
  (lag: Pick<LedgerLag, 'isInTime' | 'refusal'>) =>
  <C extends RpcContract>(operation: Handler<C>): Handler<C> =>
  (request, call) =>
    lag.isInTime() ? operation(request, call) : Promise.reject(lag.refusal());
