import type { TrustRoot } from '@keymesh/contracts';
import { KeymeshError } from '@keymesh/kernel';
import { getPolicyBundle, putPolicyBundle, watchPolicyBundle, type MeshConnection } from '@keymesh/mesh';
import { readBundle } from '@keymesh/policy-engine';
import type { PolicyBucket } from '../store/authority.js';

/** The KV bucket POLICY over the bus. */
export const makePolicyBucket = (connection: MeshConnection, trustRoot: TrustRoot): PolicyBucket => ({
  async get() {
    const found = await getPolicyBundle(connection).catch(damaged);
    if (found === 'damaged') return { bundle: undefined, revision: undefined };
    if (found === undefined) return { bundle: undefined, revision: 0 };
    return { bundle: readable(found.bytes, trustRoot), revision: found.revision };
  },
  put: (bytes, expectedRevision) => putPolicyBundle(connection, bytes, expectedRevision),
  watch: (onBundle) => watchPolicyBundle(connection, (bytes) => onBundle(bytes)),
});

function damaged(error: unknown): 'damaged' {
  if (KeymeshError.is(error) && error.code === 'MALFORMED_MESSAGE') return 'damaged';
  throw error;
}

// What is not signed by our bundle key counts as nothing there, and is written over.
function readable(bytes: Uint8Array, trustRoot: TrustRoot) {
  try {
    return readBundle(bytes, trustRoot);
  } catch {
    return undefined;
  }
}
