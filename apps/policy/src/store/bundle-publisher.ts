import { failure } from '@keymesh/contracts';
import { KeymeshError } from '@keymesh/kernel';
import type { StoredBundle } from './book.js';

/** The bucket POLICY, as the publisher needs it. */
export interface Bucket {
  /** Version of the bundle there and its revision; version 0 when there is none or it is not by our bundle key. */
  look(): Promise<{ readonly version: number; readonly revision: number | undefined }>;
  /** @returns the new revision, once durable. @throws VERSION_CONFLICT when another revision is there. */
  put(bytes: Uint8Array, expectedRevision: number | undefined): Promise<number>;
}

export interface BundlePublisher {
  /** Resolves once the bucket durably holds this bundle or a newer one. Calls at once share the work. @throws UNAVAILABLE */
  publish(bundle: Pick<StoredBundle, 'version' | 'bytes'>): Promise<void>;
  /** As `publish` of the newest that was asked for, but looks at the bucket first: heals one that was emptied or put back. */
  ensure(): Promise<void>;
  /** Whether the bucket held, when last seen, all that was asked for. */
  isUpToDate(): boolean;
}

const MAX_ROUNDS = 10;

/** Carries bundles to the bucket, newest first, never an older one over a newer one, whatever other instances do. */
export function makeBundlePublisher(bucket: Bucket): BundlePublisher {
  let newest: Pick<StoredBundle, 'version' | 'bytes'> | undefined;
  let known: Awaited<ReturnType<Bucket['look']>> | undefined;
  let running: Promise<void> | undefined;

  const round = async (): Promise<void> => {
    const target = newest;
    try {
      known ??= await bucket.look();
      if (target === undefined || known.version >= target.version) return;
      const revision = await bucket.put(target.bytes, known.revision);
      known = { version: target.version, revision };
    } catch (error) {
      known = undefined;
      if (!(KeymeshError.is(error) && error.code === 'VERSION_CONFLICT')) throw error;
    }
  };
  const oneRound = (): Promise<void> =>
    (running ??= round().finally(() => {
      running = undefined;
    }));

  const publish: BundlePublisher['publish'] = async (bundle) => {
    if (newest === undefined || bundle.version > newest.version) newest = bundle;
    for (let rounds = 0; (known?.version ?? 0) < bundle.version; rounds += 1) {
      if (rounds === MAX_ROUNDS) throw failure('UNAVAILABLE');
      await oneRound();
    }
  };
  return {
    publish,
    async ensure() {
      known = undefined;
      if (newest !== undefined) await publish(newest);
    },
    isUpToDate: () => newest === undefined || (known?.version ?? 0) >= newest.version,
  };
}
