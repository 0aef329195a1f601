import { servicePrincipal, subjects, type RiskScores } from '@keymesh/contracts';
import { MINUTE, SECOND, type Clock } from '@keymesh/kernel';
import { decodeRiskScores, type MeshConnection } from '@keymesh/mesh';
import type { PolicyHolder } from './policy-holder.js';

/** The detector tells every five seconds. */
const STALE_MS = 20 * SECOND;
/** How far its clock may be from ours. */
const SKEW_MS = MINUTE;

/** What the anomaly detector thinks of principals. */
export interface RiskWatch {
  /** 0 to 100; undefined while the detector is away, or nobody can know what it says. */
  riskOf(principal: string): number | undefined;
  /** Takes a message of anybody. Never throws. */
  heard(data: Uint8Array): void;
}

/** Keeps the newest scores that the detector signed. */
export function makeRiskWatch(policy: Pick<PolicyHolder, 'findPolicy'>, clock: Clock): RiskWatch {
  let newest:
    { readonly scores: RiskScores['scores']; readonly at: number; readonly heardAt: number } | undefined;
  return {
    riskOf(principal) {
      if (newest === undefined || clock.monotonic() - newest.heardAt > STALE_MS) return undefined;
      return Object.hasOwn(newest.scores, principal) ? newest.scores[principal] : 0;
    },
    heard(data) {
      const directory = policy.findPolicy()?.directory;
      const detector = directory?.find(servicePrincipal('anomaly-detector'));
      if (directory === undefined || detector === undefined) return;
      const said = decodeRiskScores(data, directory.meshId, detector.channelKeys);
      if (said === undefined) return;
      const at = Date.parse(said.at);
      // INVARIANT: what the broker plays again takes nobody's risk away.
      if (at <= (newest?.at ?? -Infinity) || Math.abs(at - clock.now()) > SKEW_MS) return;
      newest = { scores: said.scores, at, heardAt: clock.monotonic() };
    },
  };
}

/** Follows what the detector tells. @returns the watch, and how to stop. */
export function watchRisk(
  { nats }: MeshConnection,
  policy: Pick<PolicyHolder, 'findPolicy'>,
  clock: Clock,
): { readonly watch: RiskWatch; readonly stop: () => void } {
  const watch = makeRiskWatch(policy, clock);
  const subscription = nats.subscribe(subjects.riskScored, {
    callback: (error, message) => {
      if (error === null) watch.heard(message.data);
    },
  });
  return { watch, stop: () => subscription.unsubscribe() };
}
