import { bundleConfirmation, type BundleConfirmation, type ServiceName } from '@keymesh/contracts';
import { concat, fromUtf8, signFor, utf8, verifyFor, type SigningKey } from '@keymesh/kernel';

const PURPOSE = 'keymesh/v1/bundle-confirmation';
const SIGNATURE_BYTES = 64;

/** @returns 64 bytes of Ed25519 signature by the service's key, then JSON. */
export function encodeConfirmation(confirmation: BundleConfirmation, key: SigningKey): Uint8Array {
  const bytes = utf8(JSON.stringify(confirmation));
  return concat(signFor(PURPOSE, bytes, key), bytes);
}

/**
 * @param keysOf public keys of a service's principal, as the directory has them now.
 * @returns undefined unless a service of this mesh said it of itself. Never throws: the bytes may be anybody's.
 */
export function decodeConfirmation(
  data: Uint8Array,
  meshId: string,
  keysOf: (service: ServiceName) => readonly string[],
): BundleConfirmation | undefined {
  const bytes = data.subarray(SIGNATURE_BYTES);
  const said = bundleConfirmation.safeParse(parsed(bytes)).data;
  if (said?.meshId !== meshId) return undefined;
  const signature = data.subarray(0, SIGNATURE_BYTES);
  return keysOf(said.service).some((key) => verifyFor(PURPOSE, bytes, signature, key)) ? said : undefined;
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(bytes));
  } catch {
    return undefined;
  }
}
