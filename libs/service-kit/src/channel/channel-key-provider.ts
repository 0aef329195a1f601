import type { ChannelPrivateKey } from '@keymesh/channel';

/** The service's X25519 channel keys: what `describeChannel` tells, and what opens sessions. */
export interface ChannelKeyProvider {
  /** Statements now valid, newest first, each signed by the mesh key. Empty until the first key is certified. */
  currentStatements(): readonly string[];
  /** @returns undefined for a key that is unknown, or destroyed after its overlap. */
  privateKey(keyId: string): ChannelPrivateKey | undefined;
  /** Begins to provide; resolves once it has what other instances have. A key of its own may follow (a health check waits for the first). */
  start(): Promise<void> | void;
  stop(): Promise<void> | void;
}
