import { servicePrincipal, subjects } from '@keymesh/contracts';
import { decodeConfirmation, type MeshConnection } from '@keymesh/mesh';
import type { PolicyHolder } from '@keymesh/service-kit';
import type { BundleRollCall } from '../domain/bundle-roll-call.js';

/** Hears what instances say of the bundles that they decide by, and believes what a service signed. @returns how to stop. */
export function hearConfirmations(
  { nats }: MeshConnection,
  policy: PolicyHolder,
  rollCall: Pick<BundleRollCall, 'heard'>,
): () => void {
  const subscription = nats.subscribe(subjects.bundleConfirmedAll, {
    callback: (error, message) => {
      const directory = policy.findPolicy()?.directory;
      if (error !== null || directory === undefined) return;
      const said = decodeConfirmation(
        message.data,
        directory.meshId,
        (service) => directory.find(servicePrincipal(service))?.channelKeys ?? [],
      );
      if (said !== undefined) rollCall.heard(said);
    },
  });
  return () => subscription.unsubscribe();
}
