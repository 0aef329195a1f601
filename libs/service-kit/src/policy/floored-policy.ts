import type { TrustRoot } from '@keymesh/contracts';
import { SECOND, type Clock } from '@keymesh/kernel';
import { watchPolicyBundle, type MeshConnection } from '@keymesh/mesh';
import { bundleDigestOf } from '@keymesh/policy-engine';
import type { BundleFloor, StoredBundle } from '@keymesh/postgres';
import type { Logger } from '../telemetry/logger.js';
import type { Metrics } from '../telemetry/metrics.js';
import { keepAsking, makeAskAttestation, type HeldBundle } from './ask-attestation.js';
import { makeBundleKeeper } from './bundle-keeper.js';
import { denyWhenTooOld, makeFreshness, type Freshness } from './freshness.js';
import { openPolicy } from './open-policy.js';
import {
  makePolicyHolder,
  type CurrentPolicy,
  type PolicyHolder,
  type WritablePolicyHolder,
} from './policy-holder.js';
import { makeNews, makeRefusalNews, type NewsListener, type RefusalNews } from './policy-news.js';

export interface FlooredPolicyOptions {
  readonly floor: BundleFloor;
  readonly connection: MeshConnection;
  readonly trustRoot: TrustRoot;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'policyBundles' | 'policyBundleVersion' | 'policyAttestationAge'>;
  readonly clock: Clock;
  /** How old the policy service's last word on the bundle may be before nothing is permitted, milliseconds. */
  readonly maxBundleAgeMs: number;
  /** Counts and traces decisions. */
  readonly observe: (policy: CurrentPolicy) => CurrentPolicy;
}

/** The holder of every service but policy. */
export interface FlooredPolicy extends PolicyHolder {
  readonly freshness: Pick<Freshness, 'ageMs' | 'isTooOld' | 'alarm'>;
  /** Tells what happened from the start on: each run of refused bundles once, and of doubt. */
  onNews(listener: NewsListener): void;
  stop(): void;
}

/**
 * The policy that a service decides by: the bundle in the bucket POLICY, and from the start the last one that it accepted, which it keeps.
 * INVARIANT: no bundle older than that is ever taken, also not after a restart, so that whoever owns the broker cannot bring back what
 * was taken away; and with broker and policy service gone the last word still holds. A newer one has all statements of the last one, so
 * that whoever took the policy service over can leave nothing out either. What the broker holds back is noticed by asking the policy
 * service; a bundle that nobody has vouched for in too long permits nothing.
 */
export async function openFlooredPolicy(options: FlooredPolicyOptions): Promise<FlooredPolicy> {
  const { floor, connection, trustRoot, logger, metrics, clock, maxBundleAgeMs } = options;
  const holder = makePolicyHolder();
  const stored = await floor.load();
  const news = makeNews(() => holder.findPolicy()?.version ?? 0);
  const freshness = makeFreshness({
    clock,
    maxAgeMs: maxBundleAgeMs,
    attestedAtMs: stored?.attestedAtMs,
    onNews: news.tell,
  });
  const taking = makeTaking(options, { holder, stored, freshness, refusals: makeRefusalNews(news.tell) });
  const keeper = makeBundleKeeper(floor, logger);
  if (stored !== undefined) taking.take(stored.bytes, 'own');
  const watch = watchPolicyBundle(connection, (bytes) => {
    const held = taking.take(bytes);
    if (held === undefined) return;
    keeper.keep({ version: held.version, bytes: Uint8Array.from(bytes) }, clock.now() - freshness.ageMs());
    asking.now();
  });
  const keepAttested = (version: number, atMs: number): void =>
    void floor
      .attest(version, atMs)
      .catch((error: unknown) => logger.debug({ err: error }, 'the attestation could not be kept'));
  const asking = keepAsking({
    ask: makeAskAttestation(connection, trustRoot),
    freshness,
    clock,
    held: () => taking.held(),
    look: () => watch.look(),
    keep: keepAttested,
  });
  metrics.policyAttestationAge.follow(() => freshness.ageMs() / SECOND);
  return {
    ...holder,
    freshness,
    settling: () => watch.settling(),
    onNews: news.onNews,
    stop() {
      asking.stop();
      watch.stop();
      keeper.stop();
    },
  };
}

interface TakingPorts {
  readonly holder: WritablePolicyHolder;
  readonly stored: StoredBundle | undefined;
  readonly freshness: Freshness;
  readonly refusals: RefusalNews;
}

/** Which bundles are taken, and the one that was taken last. */
function makeTaking(options: FlooredPolicyOptions, { holder, stored, freshness, refusals }: TakingPorts) {
  const { trustRoot, logger, metrics, clock, observe } = options;
  // What was accepted before this start, also where a restore demands a newer version than that of the bundle it brought back.
  let accepted: CurrentPolicy | undefined;
  let held: HeldBundle | undefined;
  const accept = (bytes: Uint8Array, isOwn: boolean): boolean => {
    const policy = openPolicy(bytes, trustRoot, { previous: accepted, clock });
    if (isOwn) accepted = policy;
    const floorVersion = holder.findPolicy()?.version ?? stored?.version ?? 0;
    if (policy.version < floorVersion) refusals.tell('older');
    if (policy.version < (stored?.version ?? 0)) return false;
    if (!holder.accept(denyWhenTooOld(observe(policy), freshness))) return false;
    accepted = policy;
    held = { version: policy.version, digest: bundleDigestOf(bytes) };
    refusals.end();
    metrics.policyBundleVersion.set(policy.version);
    logger.info({ bundleVersion: policy.version }, 'policy bundle accepted');
    return true;
  };
  return {
    held: (): HeldBundle | undefined => held,
    /** @param own it is the one that was kept. @returns undefined, changing nothing, when it is not taken. */
    take(bytes: Uint8Array, own?: 'own'): HeldBundle | undefined {
      try {
        const isTaken = accept(bytes, own === 'own');
        metrics.policyBundles.inc({ result: isTaken ? 'accepted' : 'not-newer' });
        return isTaken ? held : undefined;
      } catch (error) {
        metrics.policyBundles.inc({ result: 'refused' });
        logger.error({ err: error }, 'policy bundle refused');
        refusals.tell('does-not-hold');
        return undefined;
      }
    },
  };
}
