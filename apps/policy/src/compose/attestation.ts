import { signingKeyOf } from '@keymesh/kernel';
import { makeAttestBundle } from '../operations/attest-bundle.js';
import type { AttestationOperations } from '../transport/operations.js';
import type { PolicyPorts } from './ports.js';

/** Whether a service has the newest bundle. */
export function attestationOperations({ kit, book, clock }: PolicyPorts): AttestationOperations {
  const { trustRoot, bundleSeed } = kit.config;
  return {
    attestBundle: makeAttestBundle({
      committed: () => book.committed(),
      meshId: trustRoot.meshId,
      bundleKey: signingKeyOf(bundleSeed),
      clock,
    }),
  };
}
