import type { BundleConfirmation, InForce } from '@keymesh/contracts';
import { SECOND, type Clock } from '@keymesh/kernel';

/** An instance not heard of for so long counts as gone: a few times the distance of what it says of itself. */
const GONE_AFTER_MS = 10 * SECOND;
/** How long the reply to a change waits for the slowest. */
const PATIENCE_MS = SECOND;

interface Instance {
  readonly name: string;
  readonly bundleVersion: number;
  /** When it first said so. */ readonly confirmedAt: number;
  readonly heardAt: number;
}

/** Which instances there are, and by which bundle each decides. */
export interface BundleRollCall {
  heard(confirmation: BundleConfirmation): void;
  /**
   * Resolves when every instance that was heard of lately decides by this bundle or a newer one, or after a second.
   * @param since when the change was asked for, by the monotonic clock. Never throws.
   */
  inForce(bundleVersion: number, since: number): Promise<InForce>;
}

/** @param settleMs how long after the start there may be instances that have not spoken yet: until then the whole second is waited. */
export function makeBundleRollCall(
  clock: Clock,
  { settleMs, patienceMs = PATIENCE_MS }: { readonly settleMs: number; readonly patienceMs?: number },
): BundleRollCall {
  const instances = new Map<string, Instance>();
  const waiting = new Set<() => void>();
  const startedAt = clock.monotonic();
  const present = (): readonly Instance[] => {
    const since = clock.monotonic() - GONE_AFTER_MS;
    for (const [run, { heardAt }] of instances) if (heardAt < since) instances.delete(run);
    return [...instances.values()];
  };
  return {
    heard({ service, instance, run, bundleVersion }) {
      const before = instances.get(run);
      const heardAt = clock.monotonic();
      // What somebody plays again says less than what is known, never more.
      const news =
        before !== undefined && before.bundleVersion >= bundleVersion
          ? before
          : { bundleVersion, confirmedAt: heardAt };
      instances.set(run, { ...news, name: `${service}/${instance}`, heardAt });
      for (const look of waiting) look();
    },
    async inForce(version, since) {
      const isEverywhere = (): boolean =>
        clock.monotonic() - startedAt >= settleMs &&
        present().every(({ bundleVersion }) => bundleVersion >= version);
      await untilOr(waiting, isEverywhere, patienceMs);
      const [confirmed, silent] = split(present(), ({ bundleVersion }) => bundleVersion >= version);
      const lastAt = Math.max(since, ...confirmed.map(({ confirmedAt }) => confirmedAt));
      return {
        instances: confirmed.length,
        withinMs: Math.ceil(lastAt - since),
        confirmed: namesOf(confirmed),
        unconfirmed: namesOf(silent),
      };
    },
  };
}

const namesOf = (instances: readonly Instance[]): string[] =>
  [...new Set(instances.map(({ name }) => name))].sort();

/** Resolves when `holds` does, looked at whenever somebody was heard, or after `ms`. */
async function untilOr(waiting: Set<() => void>, holds: () => boolean, ms: number): Promise<void> {
  if (holds()) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      waiting.delete(look);
      clearTimeout(timer);
      resolve();
    };
    const look = (): void => {
      if (holds()) done();
    };
    const timer = setTimeout(done, ms);
    waiting.add(look);
  });
}

function split<T>(items: readonly T[], isFirst: (item: T) => boolean): [T[], T[]] {
  const first: T[] = [];
  const second: T[] = [];
  for (const item of items) (isFirst(item) ? first : second).push(item);
  return [first, second];
}
