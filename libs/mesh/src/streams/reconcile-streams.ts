import type { MeshConnection } from '../connection.js';

/** Makes or changes every stream and consumer to what contracts declare. Idempotent. Deploy identity only. Deletes nothing. */
export function reconcileStreams(_connection: MeshConnection): Promise<void> {
  throw new Error('being built');
}
