import { hash } from 'node:crypto';
import { bundleAttestation, failure, type BundleAttestation, type TrustRoot } from '@keymesh/contracts';
import {
  fromBase64Url,
  fromUtf8,
  signFor,
  toBase64Url,
  verifyFor,
  type KeymeshError,
  type SigningKey,
} from '@keymesh/kernel';
import { canonicalBytes } from './statements.js';

// Of its own, so that no bundle is good as an attestation, nor the other way round.
const PURPOSE = 'keymesh/v1/bundle-attestation';

/** What stands in a decision that is a forbid only because nobody vouched for the bundle in time. Such a decision cannot be decided again. */
export const NOT_ATTESTED = 'bundle: not attested for too long';

/** SHA-256 of a signed bundle, uncompressed; 43 characters of base64url. */
export const bundleDigestOf = (bytes: Uint8Array): string => hash('sha256', bytes, 'base64url');

/** Signs which bundle is the newest. Deterministic. @returns `base64url(RFC 8785 JSON).base64url(signature)`. */
export function signAttestation(attestation: BundleAttestation, bundleKey: SigningKey): string {
  const payload = canonicalBytes(bundleAttestation.parse(attestation));
  return `${toBase64Url(payload)}.${toBase64Url(signFor(PURPOSE, payload, bundleKey))}`;
}

/**
 * Reads an attestation that was asked for with this nonce.
 * INVARIANT: whoever carries it can withhold it, and nothing else: an older one has another nonce.
 * @throws POLICY_UNAVAILABLE unless the bundle key of this mesh signed it over this nonce.
 */
export function readAttestation(text: string, trustRoot: TrustRoot, nonce: string): BundleAttestation {
  const [payloadText = '', signatureText = '', ...rest] = text.split('.');
  const payload = fromBase64Url(payloadText);
  const signature = fromBase64Url(signatureText);
  if (rest.length > 0 || payload === undefined || signature === undefined) throw unusable('is none');
  if (!verifyFor(PURPOSE, payload, signature, trustRoot.bundlePublicKey))
    throw unusable('is not signed by the bundle key');
  const parsed = bundleAttestation.safeParse(parseJson(payload));
  if (!parsed.success) throw unusable('is not of the shape of one');
  if (parsed.data.meshId !== trustRoot.meshId) throw unusable('is of another mesh');
  if (parsed.data.nonce !== nonce) throw unusable('answers another question');
  return parsed.data;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(bytes));
  } catch {
    return undefined;
  }
}

const unusable = (because: string): KeymeshError =>
  failure('POLICY_UNAVAILABLE', { details: { because: `the attestation ${because}` } });
