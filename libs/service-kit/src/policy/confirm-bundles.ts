import { randomBytes } from 'node:crypto';
import { subjects, type ServiceName } from '@keymesh/contracts';
import { SECOND, toBase64Url, type SigningKey } from '@keymesh/kernel';
import { encodeConfirmation, type MeshConnection } from '@keymesh/mesh';
import type { PolicyHolder } from './policy-holder.js';

/** How often an instance says by which bundle it decides, also where nothing changes. */
export const CONFIRM_EVERY_MS = 3 * SECOND;

export interface ConfirmBundlesOptions {
  readonly policy: PolicyHolder;
  readonly connection: MeshConnection;
  readonly name: ServiceName;
  readonly instance: string;
  readonly signingKey: SigningKey;
}

/**
 * Says by which bundle this instance decides, as soon as it does: so that the reply to a change can say where it is in force.
 * At most once, and nobody waits for it. @returns how to stop.
 */
export function confirmBundles(options: ConfirmBundlesOptions): () => void {
  const { policy, connection, name: service, instance, signingKey } = options;
  const run = toBase64Url(randomBytes(9));
  const confirm = (): void => {
    const current = policy.findPolicy();
    if (current === undefined || !connection.isConnected()) return;
    const { version: bundleVersion, directory } = current;
    const said = { v: 1 as const, meshId: directory.meshId, service, instance, run, bundleVersion };
    connection.nats.publish(subjects.bundleConfirmed(service), encodeConfirmation(said, signingKey));
  };
  const quietly = (): void => {
    try {
      confirm();
    } catch {
      // The connection is closing. An instance that is not heard of any more decides nothing either.
    }
  };
  const endChanges = policy.onChange(quietly);
  const timer = setInterval(quietly, CONFIRM_EVERY_MS);
  return () => {
    endChanges();
    clearInterval(timer);
  };
}
