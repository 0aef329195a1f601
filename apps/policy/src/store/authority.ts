import type { PolicyBundle, TrustRoot } from '@keymesh/contracts';
import { KeymeshError, SECOND, type Clock } from '@keymesh/kernel';
import type { watchPolicyBundle } from '@keymesh/mesh';
import { BUILT_IN_POLICIES, bundleDigestOf, makePolicyEngine } from '@keymesh/policy-engine';
import {
  makePolicyHolder,
  openPolicy,
  type CurrentPolicy,
  type Logger,
  type PolicyHolder,
  type WritablePolicyHolder,
} from '@keymesh/service-kit';
import type { MakeRecord } from '../domain/audit.js';
import type { PolicyBook } from '../domain/ports.js';
import type { CommittedBundle } from '../operations/attest-bundle.js';
import type { PolicyStore, StoredBundle } from './book.js';
import { makeBundlePublisher, type BundlePublisher } from './bundle-publisher.js';
import { catchUp, importGenesis, includeBuiltIns, includeTakings } from './open-book.js';

/** The bucket POLICY. */
export interface PolicyBucket {
  /**
   * The bundle there, checked against our bundle key; undefined for none, or one that is not ours. Without a revision: what is there
   * cannot even be read, and is to be written over. @throws UNAVAILABLE
   */
  get(): Promise<{ readonly bundle: PolicyBundle | undefined; readonly revision: number | undefined }>;
  put(bytes: Uint8Array, expectedRevision: number | undefined): Promise<number>;
  watch(
    onBundle: (bytes: Uint8Array) => void,
  ): Pick<ReturnType<typeof watchPolicyBundle>, 'settling' | 'stop'>;
}

export interface AuthorityOptions {
  readonly store: PolicyStore;
  readonly bucket: PolicyBucket;
  readonly trustRoot: TrustRoot;
  readonly genesis: readonly string[];
  readonly makeRecord: MakeRecord;
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** Counts and traces decisions. */
  readonly observe: (policy: CurrentPolicy) => CurrentPolicy;
  /** After each commit: the outbox has something. */
  readonly onCommitted: () => void;
}

/** The book with its bundles carried to the bucket: the policy service's own policy holder. */
export interface Authority extends PolicyBook {
  readonly holder: PolicyHolder;
  /** The newest bundle in the store, by whichever instance. @throws STORE_UNAVAILABLE */
  committed(): Promise<CommittedBundle>;
  /** Whether the services can see the newest bundle. */
  isPublished(): boolean;
  stop(): void;
}

const TEND_MS = 15 * SECOND;
/** How often an instance looks for what another one has committed (it may have been killed before it published it), or it could not publish. One small query each. */
const LOOK_MS = SECOND;
const REFRESH_MS = 20;

/**
 * Opens the book: statements of initialisation, the newest bundle, the bucket. Resolves when decisions can be made; publishing goes on
 * in the background where the bucket is not there yet.
 * @throws STATEMENT_REJECTED when genesis and store are of different meshes; STORE_UNAVAILABLE.
 */
export async function openAuthority(options: AuthorityOptions): Promise<Authority> {
  const { store, bucket, logger, observe, onCommitted } = options;
  const holder = makePolicyHolder();
  const publisher = makeBundlePublisher({
    look: async () => {
      const { bundle, revision } = await bucket.get();
      return { version: bundle?.version ?? 0, revision };
    },
    put: (bytes, expectedRevision) => bucket.put(bytes, expectedRevision),
  });
  let newest: CommittedBundle = { version: 0, digest: '' };
  const accept = (stored: StoredBundle): void => {
    holder.accept(observe(policyOf(stored)));
    if (stored.version > newest.version)
      newest = { version: stored.version, digest: bundleDigestOf(stored.bytes) };
  };
  const later = (error: unknown): void => logger.warn({ err: error }, 'bundle not published yet');
  /** INVARIANT: whatever an instance learns from Postgres it also publishes, because whoever committed it may be gone. */
  const learn = (stored: StoredBundle): void => {
    accept(stored);
    void publisher.publish(stored).catch(later);
  };
  const lookForNewer = async (): Promise<void> => {
    const newer = await store.loadNewerThan(newest.version);
    if (newer !== undefined) learn(newer);
  };
  const tend = makeTending(options, (bundle) => {
    accept(bundle);
    onCommitted();
    return publisher.publish(bundle);
  });

  const first = await newestBundle(options);
  learn(first);
  onCommitted();
  await tend();
  const watch = followBucket(options, holder);
  const stopKeepingUp = keepUp({ tend, lookForNewer, publisher, onFailure: later });
  // Another instance may have published what is not read here yet: who asks after its answer waits for it.
  const settling = (): Promise<void> | undefined => watch.settling();
  return {
    holder: { ...holder, settling },
    settling,
    current: () => holder.currentPolicy(),
    refresh: makeRefresh(options, () => holder.currentPolicy().version, learn),
    async change(key, plan) {
      const { reply, bundle } = await store.change(key, plan);
      accept(bundle);
      onCommitted();
      await publisher.publish(bundle);
      return reply;
    },
    async committed() {
      await lookForNewer();
      return newest;
    },
    isPublished: () => publisher.isUpToDate(),
    stop() {
      stopKeepingUp();
      watch.stop();
    },
  };
}

/** Tends the book, and learns what other instances have committed. @returns stops it. */
function keepUp(options: {
  readonly tend: () => Promise<void>;
  readonly lookForNewer: () => Promise<void>;
  readonly publisher: Pick<BundlePublisher, 'ensure' | 'isUpToDate'>;
  readonly onFailure: (error: unknown) => void;
}): () => void {
  const { tend, lookForNewer, publisher, onFailure } = options;
  const tending = setInterval(() => {
    // INVARIANT: the newest of all instances is known before the bucket is healed, so that it is not healed with an older one.
    void tend()
      .then(lookForNewer)
      .then(() => publisher.ensure())
      .catch(onFailure);
  }, TEND_MS);
  const stopLooking = repeat(LOOK_MS, async () => {
    await lookForNewer();
    if (!publisher.isUpToDate()) await publisher.ensure();
  });
  return () => {
    clearInterval(tending);
    stopLooking();
  };
}

/** Again and again, each a while after the last one has ended; what fails is tried the next time. @returns stops it. */
function repeat(everyMs: number, work: () => Promise<void>): () => void {
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  const next = (): void => {
    if (isStopped) return;
    timer = setTimeout(() => void work().then(next, next), everyMs);
  };
  next();
  return () => {
    isStopped = true;
    clearTimeout(timer);
  };
}

/** Another instance may have changed something. */
const followBucket = (
  { bucket, trustRoot, clock, logger, observe }: AuthorityOptions,
  holder: WritablePolicyHolder,
): ReturnType<PolicyBucket['watch']> =>
  bucket.watch((bytes) => {
    try {
      holder.accept(observe(openPolicy(bytes, trustRoot, { previous: holder.findPolicy(), clock })));
    } catch (error) {
      logger.error({ err: error }, 'a bundle in the bucket does not open');
    }
  });

/** The newest bundle with what it has to say by now: statements of initialisation, rows that a restore made, built-ins of this release. */
async function newestBundle({
  store,
  trustRoot,
  genesis,
  makeRecord,
  clock,
}: AuthorityOptions): Promise<StoredBundle> {
  const stored = await importGenesis(store, genesis, makeRecord);
  const { directory: published } = openPolicy(stored.bytes, trustRoot, { clock });
  const whole = (await includeTakings(store, stored, published)) ?? stored;
  return (await includeBuiltIns(store, whole)) ?? whole;
}

const policyOf = ({ version, directory }: StoredBundle): CurrentPolicy => ({
  version,
  directory,
  engine: makePolicyEngine(
    { version, policies: BUILT_IN_POLICIES.map((policy) => ({ ...policy })) },
    directory,
  ),
});

/**
 * Strangers may make us look, so looks have a distance, and all who ask meanwhile share the next one. INVARIANT: it begins after they asked;
 * one that was under way already may have missed what they know of.
 */
function makeRefresh(
  { store, logger }: AuthorityOptions,
  currentVersion: () => number,
  accept: (bundle: StoredBundle) => void,
): () => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  const look = async (): Promise<void> => {
    try {
      const newer = await store.loadNewerThan(currentVersion());
      if (newer !== undefined) accept(newer);
    } catch (error) {
      logger.warn({ err: error }, 'looking for a newer bundle failed');
    }
  };
  const afterLast = async (): Promise<void> => {
    await last;
    await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
    next = undefined;
    last = look();
    await last;
  };
  return () => (next ??= afterLast());
}

/** What has to be looked at now and then, and at the start. Never throws. */
function makeTending(
  { store, bucket, logger }: AuthorityOptions,
  onCaughtUp: (bundle: StoredBundle) => Promise<void>,
): () => Promise<void> {
  return async () => {
    try {
      await store.prune();
      const { bundle: ahead } = await bucket.get();
      const caughtUp = ahead === undefined ? undefined : await catchUp(store, ahead);
      if (caughtUp === undefined) return;
      logger.error(
        { bundleVersion: caughtUp.version },
        'the database was behind the published bundle; it has caught up',
      );
      await onCaughtUp(caughtUp);
    } catch (error) {
      logger.warn(
        { err: error, code: KeymeshError.is(error) ? error.code : 'INTERNAL' },
        'tending the book failed',
      );
    }
  };
}
