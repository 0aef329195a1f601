import { failure, type RpcContract } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import type { HandlersOf } from '@keymesh/service-kit';
import type { LedgerLag } from '../domain/ledger-lag.js';
import type { RateLimit } from '../domain/rate-limit.js';
import type { CREDENTIAL_CONTRACTS, KEY_CONTRACTS, VERSION_CONTRACTS } from './contracts.js';

/** Nest token of {@link VaultOperations}. */
export const OPERATIONS = Symbol('keymesh.vault.operations');

export type CredentialOperations = HandlersOf<typeof CREDENTIAL_CONTRACTS>;
export type VersionOperations = HandlersOf<typeof VERSION_CONTRACTS>;
export type KeyOperations = HandlersOf<typeof KEY_CONTRACTS>;
/** Every operation of the vault, by its contract's name. */
export type VaultOperations = CredentialOperations & VersionOperations & KeyOperations;

/** Puts the rate limit in front of an operation, so that what it refuses never reaches the journal. @throws RATE_LIMITED */
export const limited =
  (limit: Pick<RateLimit, 'admit'>, onRefused?: () => void) =>
  <C extends RpcContract>(operation: Handler<C>): Handler<C> =>
  (request, call) => {
    if (limit.admit(call.principal)) return operation(request, call);
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
