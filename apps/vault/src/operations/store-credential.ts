import type { storeCredential } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import type { Audited } from '../domain/audit-trail.js';
import type { Mutations } from '../domain/mutations.js';
import { canonicalName, namespaceOf } from '../domain/name.js';
import { disposeValues } from '../domain/parts.js';
import type { MetadataIndex, ValueVault } from '../domain/ports.js';
import { credentialTypeOf } from '../domain/types/index.js';
import { permitStore, prepareStore, type StorePorts } from './store-steps.js';
import { storedReply, writeStore } from './write-store.js';

export interface StoreCredentialPorts extends StorePorts {
  readonly audited: Audited;
  readonly index: Pick<MetadataIndex, 'findByName'>;
  readonly values: Pick<ValueVault, 'openNamespace'>;
  readonly mutations: Mutations;
}

/**
 * Stores a new credential, or the next version of one: decide → judge the value → one transaction with rows, record and event.
 * @throws CREDENTIAL_TYPE_UNKNOWN, DENIED, CREDENTIAL_VALUES_INVALID, CREDENTIAL_EMPTY, CREDENTIAL_WEAK, PAYLOAD_TOO_LARGE,
 *   ROTATION_UNSUPPORTED, CREDENTIAL_EXISTS, CREDENTIAL_NOT_FOUND, VERSION_CONFLICT, ROTATION_IN_PROGRESS, STORE_UNAVAILABLE,
 *   KMS_UNAVAILABLE; then nothing is stored.
 */
export function makeStoreCredential(ports: StoreCredentialPorts): Handler<typeof storeCredential> {
  return ports.audited<typeof storeCredential>('credential.stored', async (request, call, attempt) => {
    const name = canonicalName(request.name);
    attempt.named(name);
    const plugin = credentialTypeOf(request.type);
    const { credential: known } = await ports.index.findByName(name);
    permitStore(ports, { name, existing: known, call, attempt });

    const prepared = await prepareStore(ports, { plugin, name, request, known });
    try {
      const namespace = await ports.values.openNamespace(namespaceOf(name));
      return await ports.mutations.run(call, async (transaction) => {
        const written = await writeStore(ports, transaction, { prepared, namespace, call, attempt });
        return { reply: storedReply(written), changed: written.stored };
      });
    } finally {
      disposeValues(prepared.generated);
    }
  });
}
