import { failure, type attestBundle } from '@keymesh/contracts';
import type { Clock, SigningKey } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { signAttestation } from '@keymesh/policy-engine';

/** The newest bundle as it was committed. */
export interface CommittedBundle {
  readonly version: number;
  /** SHA-256 of its signed bytes, base64url. */
  readonly digest: string;
}

/**
 * Says which bundle is the newest, to a service that has to know whether somebody keeps one from it.
 * INVARIANT: it is read from Postgres after the question came, so that no instance vouches for what another one has overtaken; with
 * Postgres away nobody vouches for anything. Nothing changes and nothing is shown that is not in the bucket: no record.
 * @throws STORE_UNAVAILABLE; DENIED for who is no service of the mesh: clients take no bundles, and each answer costs a query.
 */
export const makeAttestBundle =
  (ports: {
    readonly committed: () => Promise<CommittedBundle>;
    readonly meshId: string;
    readonly bundleKey: SigningKey;
    readonly clock: Clock;
  }): Handler<typeof attestBundle> =>
  async ({ nonce }, { principal }) => {
    const { committed, meshId, bundleKey, clock } = ports;
    if (!principal.startsWith('_')) throw failure('DENIED');
    const { version, digest: bundleDigest } = await committed();
    const at = new Date(clock.now()).toISOString();
    return { attestation: signAttestation({ v: 1, meshId, version, bundleDigest, nonce, at }, bundleKey) };
  };
