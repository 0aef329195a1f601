import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { attestBundle, type BundleAttestation, type TrustRoot } from '@keymesh/contracts';
import { SECOND, toBase64Url, type Clock } from '@keymesh/kernel';
import { callPlain, type MeshConnection } from '@keymesh/mesh';
import { readAttestation } from '@keymesh/policy-engine';
import type { Doubt, Freshness } from './freshness.js';

/** How often the policy service is asked; sooner while there is doubt, and as soon as may be while nothing is permitted. */
const ASK_MS = 20 * SECOND;
const DOUBT_MS = 5 * SECOND;
const TOO_OLD_MS = SECOND;
const DEADLINE_MS = 3 * SECOND;

/** The bundle that decides, and its digest. */
export interface HeldBundle {
  readonly version: number;
  readonly digest: string;
}

/** Asks the policy service, with a fresh nonce. @throws UNAVAILABLE, DEADLINE_EXCEEDED; POLICY_UNAVAILABLE for an answer that does not hold. */
export type AskAttestation = () => Promise<Pick<BundleAttestation, 'version' | 'bundleDigest'>>;

export const makeAskAttestation =
  (connection: MeshConnection, trustRoot: TrustRoot): AskAttestation =>
  async () => {
    const nonce = toBase64Url(randomBytes(32));
    const { principal } = connection;
    const { attestation } = await callPlain(
      connection,
      principal,
      attestBundle,
      { nonce },
      { deadlineMs: DEADLINE_MS },
    );
    return readAttestation(attestation, trustRoot, nonce);
  };

export interface AttestingOptions {
  readonly ask: AskAttestation;
  readonly freshness: Freshness;
  readonly clock: Clock;
  readonly held: () => HeldBundle | undefined;
  /** Looks for a newer bundle now. */
  readonly look: () => void;
  /** This version was vouched for; by the wall clock. */
  readonly keep: (version: number, attestedAtMs: number) => void;
}

/**
 * One question to the policy service, and what follows from its answer.
 * The broker carries bundles and may hold one back; it cannot answer this: so freshness is asked for, never heard.
 * @returns how long to wait for the next one. Never throws.
 */
export async function askOnce(options: AttestingOptions): Promise<number> {
  const { ask, freshness, clock, held, look, keep } = options;
  const before = held();
  if (before === undefined) return TOO_OLD_MS;
  const askedAt = clock.monotonic();
  const askedAtMs = clock.now();
  const answer = await ask().catch(() => undefined);
  const now = held() ?? before;
  if (answer?.version === now.version && answer.bundleDigest === now.digest) {
    freshness.attest(askedAt);
    keep(now.version, askedAtMs);
    return ASK_MS;
  }
  // A newer one came while the answer was under way: that one is asked about.
  if (answer !== undefined && answer.version >= before.version && answer.version < now.version) return 0;
  freshness.doubt(doubtOf(answer?.version, now.version));
  if (answer !== undefined && answer.version > now.version) look();
  return freshness.isTooOld() ? TOO_OLD_MS : DOUBT_MS;
}

function doubtOf(answered: number | undefined, held: number): Doubt {
  if (answered === undefined) return 'silent';
  return answered > held ? 'held-back' : 'differs';
}

/** Goes on asking until it is stopped; at once after `now`. */
export function keepAsking(options: AttestingOptions): { now(): void; stop(): void } {
  const stopped = new AbortController();
  let wake = new AbortController();
  void (async () => {
    while (!stopped.signal.aborted) {
      wake = new AbortController();
      const waitMs = await askOnce(options);
      const signal = AbortSignal.any([stopped.signal, wake.signal]);
      await pause(waitMs, undefined, { signal }).catch(() => undefined);
    }
  })();
  return { now: () => wake.abort(), stop: () => stopped.abort() };
}
