import type * as contracts from '@keymesh/contracts';
import { failure, type RpcContract } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import type { LedgerLag } from '../domain/ledger-lag.js';
import type { RateLimit } from '../domain/rate-limit.js';

/** Nest token of {@link VaultOperations}. */
export const OPERATIONS = Symbol('keymesh.vault.operations');

/** Every operation of the vault, by its contract's name. */
export interface VaultOperations {
  readonly storeCredential: Handler<typeof contracts.storeCredential>;
  readonly retrieveCredential: Handler<typeof contracts.retrieveCredential>;
  readonly listCredentials: Handler<typeof contracts.listCredentials>;
  readonly describeCredential: Handler<typeof contracts.describeCredential>;
  readonly credentialHistory: Handler<typeof contracts.credentialHistory>;
  readonly deleteCredential: Handler<typeof contracts.deleteCredential>;
  readonly prepareVersion: Handler<typeof contracts.prepareVersion>;
  readonly promoteVersion: Handler<typeof contracts.promoteVersion>;
  readonly discardVersion: Handler<typeof contracts.discardVersion>;
  readonly revealVersion: Handler<typeof contracts.revealVersion>;
  readonly listRotatable: Handler<typeof contracts.listRotatable>;
  readonly certifyChannelKey: Handler<typeof contracts.certifyChannelKey>;
}

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
