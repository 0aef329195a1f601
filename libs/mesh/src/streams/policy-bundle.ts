import type { MeshConnection } from '../connection.js';

/**
 * Stores the signed bundle, gzipped, and resolves with its revision in the bucket when it is durable.
 * @param expectedRevision the revision that it replaces (0: none yet). @throws VERSION_CONFLICT when another was put meanwhile, UNAVAILABLE, PAYLOAD_TOO_LARGE
 */
export function putPolicyBundle(
  _connection: MeshConnection,
  _bundle: Uint8Array,
  _expectedRevision?: number,
): Promise<number> {
  throw new Error('being built');
}

/** The stored bundle, or undefined when there is none yet. @throws UNAVAILABLE */
export function getPolicyBundle(
  _connection: MeshConnection,
): Promise<{ readonly bytes: Uint8Array; readonly revision: number } | undefined> {
  throw new Error('being built');
}

/** Calls back with the stored bundle at once and after every change, newest only; also after reconnects. */
export function watchPolicyBundle(
  _connection: MeshConnection,
  _onBundle: (bytes: Uint8Array, revision: number) => void | Promise<void>,
): { stop(): void } {
  throw new Error('being built');
}
