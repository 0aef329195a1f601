import { SECOND } from '@keymesh/kernel';
import type { BundleFloor, StoredBundle } from '@keymesh/postgres';
import type { Logger } from '../telemetry/logger.js';

const RETRY_MS = 2 * SECOND;

export interface BundleKeeper {
  /** @param attestedAtMs since when its age counts, where there was no bundle before. */
  keep(bundle: StoredBundle, attestedAtMs: number): void;
  stop(): void;
}

/** Keeps the newest bundle, however long Postgres is away. */
export function makeBundleKeeper(floor: BundleFloor, logger: Logger): BundleKeeper {
  let wanted: { readonly bundle: StoredBundle; readonly attestedAtMs: number } | undefined;
  let working = false;
  let timer: NodeJS.Timeout | undefined;
  const work = async (): Promise<void> => {
    const keeping = wanted;
    if (working || keeping === undefined) return;
    working = true;
    try {
      await floor.raise(keeping.bundle, keeping.attestedAtMs);
      if (wanted === keeping) wanted = undefined;
    } catch (error) {
      logger.warn({ err: error, bundleVersion: keeping.bundle.version }, 'the bundle could not be kept yet');
    } finally {
      working = false;
    }
    if (wanted !== undefined) timer = setTimeout(() => void work(), RETRY_MS);
  };
  return {
    keep(bundle: StoredBundle, attestedAtMs: number): void {
      wanted = { bundle, attestedAtMs };
      clearTimeout(timer);
      void work();
    },
    stop: () => clearTimeout(timer),
  };
}
