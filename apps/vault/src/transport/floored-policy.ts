import type { TrustRoot } from '@keymesh/contracts';
import { SECOND, type Clock } from '@keymesh/kernel';
import { watchPolicyBundle, type MeshConnection } from '@keymesh/mesh';
import {
  makePolicyHolder,
  openPolicy,
  type Logger,
  type Metrics,
  type PolicyHolder,
} from '@keymesh/service-kit';

/** The last accepted bundle. */
export interface StoredBundle {
  readonly version: number;
  readonly bytes: Uint8Array;
}

/** Where it is kept. @throws STORE_UNAVAILABLE */
export interface BundleFloor {
  load(): Promise<StoredBundle | undefined>;
  /** Keeps it unless a newer one is kept already. */
  raise(bundle: StoredBundle): Promise<void>;
}

export interface FlooredPolicyOptions {
  readonly floor: BundleFloor;
  readonly connection: MeshConnection;
  readonly trustRoot: TrustRoot;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'policyBundles' | 'policyBundleVersion'>;
  readonly clock: Clock;
}

const RETRY_MS = 2 * SECOND;

/**
 * The policy that the vault decides by: the bundle in the bucket POLICY, and from the start the last one that it accepted, which it keeps.
 * INVARIANT: no bundle older than that is ever taken, also not after a restart, so that whoever owns the broker cannot bring back what
 * was taken away; and with broker and policy service gone the last word still holds.
 */
export async function openFlooredPolicy(
  options: FlooredPolicyOptions,
): Promise<PolicyHolder & { stop(): void }> {
  const { floor, connection, trustRoot, logger, metrics, clock } = options;
  const holder = makePolicyHolder();
  const stored = await floor.load();
  const keep = makeKeeper(floor, logger);

  /** @returns whether it was taken */
  const take = (bytes: Uint8Array): boolean => {
    const policy = openPolicy(bytes, trustRoot, { previous: holder.findPolicy(), clock });
    if (policy.version < (stored?.version ?? 0) || !holder.accept(policy)) return false;
    metrics.policyBundleVersion.set(policy.version);
    logger.info({ bundleVersion: policy.version }, 'policy bundle accepted');
    return true;
  };
  const attempt = (bytes: Uint8Array): boolean => {
    try {
      const taken = take(bytes);
      metrics.policyBundles.inc({ result: taken ? 'accepted' : 'not-newer' });
      return taken;
    } catch (error) {
      metrics.policyBundles.inc({ result: 'refused' });
      logger.error({ err: error }, 'policy bundle refused');
      return false;
    }
  };

  if (stored !== undefined) attempt(stored.bytes);
  const watch = watchPolicyBundle(connection, (bytes) => {
    const policy = attempt(bytes) ? holder.findPolicy() : undefined;
    if (policy !== undefined) keep.keep({ version: policy.version, bytes: Uint8Array.from(bytes) });
  });
  return {
    ...holder,
    stop() {
      watch.stop();
      keep.stop();
    },
  };
}

/** Keeps the newest bundle, however long Postgres is away. */
function makeKeeper(floor: BundleFloor, logger: Logger) {
  let wanted: StoredBundle | undefined;
  let working = false;
  let timer: NodeJS.Timeout | undefined;
  const work = async (): Promise<void> => {
    const bundle = wanted;
    if (working || bundle === undefined) return;
    working = true;
    try {
      await floor.raise(bundle);
      if (wanted === bundle) wanted = undefined;
    } catch (error) {
      logger.warn({ err: error, bundleVersion: bundle.version }, 'the bundle could not be kept yet');
    } finally {
      working = false;
    }
    if (wanted !== undefined) timer = setTimeout(() => void work(), RETRY_MS);
  };
  return {
    keep(bundle: StoredBundle): void {
      wanted = bundle;
      clearTimeout(timer);
      void work();
    },
    stop: () => clearTimeout(timer),
  };
}
