import type { SigningKey } from '@keymesh/kernel';
import type { MeshConnection } from '../connection.js';

export interface PublishEventOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Signs subject, id and bytes (`Keymesh-Signature`). */
  readonly signingKey?: SigningKey;
}

/**
 * Publishes to a stream and resolves when it is stored. Safe to repeat with the same id (deduplicated for two minutes; consumers are idempotent).
 * @throws UNAVAILABLE when it is not known to be stored.
 */
export function publishEvent(
  _connection: MeshConnection,
  _subject: string,
  _id: string,
  _bytes: Uint8Array,
  _options?: PublishEventOptions,
): Promise<void> {
  throw new Error('being built');
}

/** Tells a principal something (`keymesh.v1.push.…`): core NATS, at most once. Resolves when the server has it. */
export function publishPush(
  _connection: MeshConnection,
  _subject: string,
  _bytes: Uint8Array,
): Promise<void> {
  throw new Error('being built');
}

/** Whether an event was signed by one of these keys (base64url). */
export function isEventSignedBy(
  _publicKeys: readonly string[],
  _event: {
    readonly subject: string;
    readonly id: string;
    readonly bytes: Uint8Array;
    readonly signature: string;
  },
): boolean {
  throw new Error('being built');
}
