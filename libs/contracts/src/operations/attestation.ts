import { z } from 'zod';
import { defineRpc } from '../rpc.js';

const digest = z.string().length(43);
/** 32 random bytes of the asker, base64url. */
const nonce = z.string().length(43);

/** What the policy service signs about its newest committed bundle, when it is asked. */
export const bundleAttestation = z.strictObject({
  v: z.literal(1),
  meshId: z.string(),
  version: z.int().min(1),
  /** SHA-256 of the signed bundle as it is in the bucket (uncompressed), base64url: all that it says. */ bundleDigest:
    digest,
  /** The asker's: so that an answer is younger than its question. */ nonce,
  at: z.iso.datetime(),
});
export type BundleAttestation = z.output<typeof bundleAttestation>;

/**
 * Which bundle is the newest, signed by the bundle key over the asker's nonce. Without a channel: it is signed by itself, says nothing
 * that is not in the bucket, and a service that holds its bundle for too old could certify no channel key to ask it through.
 */
export const attestBundle = defineRpc({
  name: 'attestBundle',
  service: 'policy',
  noun: 'bundle',
  verb: 'attest',
  channel: 'none',
  request: z.strictObject({ nonce }),
  /** base64url(RFC 8785 JSON of {@link bundleAttestation}).base64url(signature) */
  reply: z.strictObject({ attestation: z.string().max(2_048) }),
});
