import type { batchStoreCredentials } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import type { StoreItemsPorts } from './prepare-items.js';
import { storeItems } from './store-items.js';

/**
 * Stores many credentials, each by the rules of a single store, in one transaction with a record of each.
 * @throws STORE_UNAVAILABLE, KMS_UNAVAILABLE, AUDIT_UNAVAILABLE: then nothing is stored. Everything else is told item by item.
 */
export function makeBatchStoreCredentials(ports: StoreItemsPorts): Handler<typeof batchStoreCredentials> {
  return async (batch, call) => {
    const { results } = await storeItems(ports, batch, call);
    return { results };
  };
}
