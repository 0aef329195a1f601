import type { TrustRoot } from '@keymesh/contracts';
import { SECOND, type Clock } from '@keymesh/kernel';
import { watchPolicyBundle, type MeshConnection } from '@keymesh/mesh';
import {
  makePolicyHolder,
  openPolicy,
  type CurrentPolicy,
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

/** A bundle that was not taken, and why. */
export interface BundleRefusal {
  /** Older than the last accepted one; or badly signed, with a grant that no operator signed, or leaving out what was accepted. */
  readonly because: 'older' | 'does-not-hold';
  /** Version of the bundle that goes on deciding; 0: none. */
  readonly bundleVersion: number;
}

/** The holder of the vault. */
export interface FlooredPolicy extends PolicyHolder {
  /** Tells of bundles that were refused from the start on; each run of refusals once, until a bundle is accepted. */
  onRefused(listener: (refusal: BundleRefusal) => void): void;
  stop(): void;
}

const RETRY_MS = 2 * SECOND;

/**
 * The policy that the vault decides by: the bundle in the bucket POLICY, and from the start the last one that it accepted, which it keeps.
 * INVARIANT: no bundle older than that is ever taken, also not after a restart, so that whoever owns the broker cannot bring back what
 * was taken away; and with broker and policy service gone the last word still holds. A newer one has all statements of the last one, so
 * that whoever took the policy service over can leave nothing out either.
 */
export async function openFlooredPolicy(options: FlooredPolicyOptions): Promise<FlooredPolicy> {
  const { floor, connection, trustRoot, logger, metrics, clock } = options;
  const holder = makePolicyHolder();
  const stored = await floor.load();
  const keep = makeKeeper(floor, logger);
  const refusals = makeRefusalNews();
  // What was accepted before this start, also where a restore demands a newer version than that of the bundle it brought back.
  let accepted: CurrentPolicy | undefined;

  /** @returns whether it was taken */
  const take = (bytes: Uint8Array, isOwn: boolean): boolean => {
    const policy = openPolicy(bytes, trustRoot, { previous: accepted, clock });
    if (isOwn) accepted = policy;
    const floorVersion = holder.findPolicy()?.version ?? stored?.version ?? 0;
    if (policy.version < floorVersion) refusals.tell({ because: 'older', bundleVersion: floorVersion });
    if (policy.version < (stored?.version ?? 0) || !holder.accept(policy)) return false;
    accepted = policy;
    refusals.end();
    metrics.policyBundleVersion.set(policy.version);
    logger.info({ bundleVersion: policy.version }, 'policy bundle accepted');
    return true;
  };
  const attempt = (bytes: Uint8Array, isOwn = false): boolean => {
    try {
      const taken = take(bytes, isOwn);
      metrics.policyBundles.inc({ result: taken ? 'accepted' : 'not-newer' });
      return taken;
    } catch (error) {
      metrics.policyBundles.inc({ result: 'refused' });
      logger.error({ err: error }, 'policy bundle refused');
      refusals.tell({ because: 'does-not-hold', bundleVersion: holder.findPolicy()?.version ?? 0 });
      return false;
    }
  };

  if (stored !== undefined) attempt(stored.bytes, true);
  const watch = watchPolicyBundle(connection, (bytes) => {
    const policy = attempt(bytes) ? holder.findPolicy() : undefined;
    if (policy !== undefined) keep.keep({ version: policy.version, bytes: Uint8Array.from(bytes) });
  });
  return {
    ...holder,
    onRefused: (listener) => refusals.onRefused(listener),
    stop() {
      watch.stop();
      keep.stop();
    },
  };
}

/** Whoever owns the broker can show bad bundles as fast as it likes: one piece of news for all of them. */
function makeRefusalNews() {
  let untold: BundleRefusal | undefined;
  let refusing = false;
  let listener: ((refusal: BundleRefusal) => void) | undefined;
  return {
    tell(refusal: BundleRefusal): void {
      if (refusing) return;
      refusing = true;
      if (listener === undefined) untold = refusal;
      else listener(refusal);
    },
    end: (): void => void (refusing = false),
    onRefused(next: (refusal: BundleRefusal) => void): void {
      listener = next;
      if (untold !== undefined) next(untold);
      untold = undefined;
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
