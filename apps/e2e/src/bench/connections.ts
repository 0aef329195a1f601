import type { Profile } from '@keymesh/client';
import { Secret } from '@keymesh/kernel';
import { connectMesh } from '@keymesh/mesh';
import { failuresText, mergeLoads, percentile, perSecond, runLoad, type LoadResult } from './load.js';

/** Connections that the NATS server asks the policy service about, made and closed again. */
export interface ConnectionRate {
  readonly atOnce: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** By code, or 0. */
  readonly failures: string;
}

/** Each worker connects as another principal, so that nobody's limit is measured. */
export async function measureConnections(
  profiles: readonly Profile[],
  atOnce: number,
  durationMs: number,
): Promise<ConnectionRate> {
  const connectOnce = async (worker: number): Promise<void> => {
    const profile = profiles[worker % profiles.length];
    if (profile === undefined) throw new Error('no principals to connect as');
    using nkeySeed = Secret.fromText(profile.nkeySeed, 'nkey-seed');
    const connection = await connectMesh({
      servers: profile.natsUrl,
      nkeySeed,
      principal: profile.principal,
    });
    // Closing drains; what is measured is the way in.
    void connection.close();
  };
  await connectOnce(0);
  const load: LoadResult = mergeLoads([await runLoad(connectOnce, atOnce, durationMs)]);
  return {
    ...{ atOnce, failures: failuresText(load), perSecond: perSecond(load) },
    ...{ p50Ms: percentile(load, 0.5), p99Ms: percentile(load, 0.99) },
  };
}
