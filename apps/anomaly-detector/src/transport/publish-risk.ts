import { subjects } from '@keymesh/contracts';
import { SECOND } from '@keymesh/kernel';
import { encodeRiskScores } from '@keymesh/mesh';
import { inStore } from '@keymesh/postgres';
import type { ServiceKit } from '@keymesh/service-kit';
import { RISK_MS, riskOf } from '../domain/risk.js';
import { findingOf, type FindingRow } from '../store/finding-row.js';

/** How often scores are told; whoever hears of none for a few times that has none. */
export const RISK_EVERY_MS = 5 * SECOND;

/** Tells the vaults the score of every principal that has one. At most once, and nobody waits for it. @throws STORE_UNAVAILABLE */
export function makePublishRisk({
  dataSource,
  connection,
  policy,
  clock,
  signingKey,
}: Pick<ServiceKit, 'dataSource' | 'connection' | 'policy' | 'clock' | 'signingKey'>): () => Promise<void> {
  return async () => {
    const meshId = policy.findPolicy()?.directory.meshId;
    if (meshId === undefined || !connection.isConnected()) return;
    const nowMs = clock.now();
    const rows = await inStore(() =>
      dataSource.query<FindingRow[]>('SELECT * FROM finding WHERE last_event_at > $1', [
        new Date(nowMs - RISK_MS),
      ]),
    );
    const scores = riskOf(rows.map(findingOf), nowMs);
    const told = { v: 1 as const, meshId, at: new Date(nowMs).toISOString(), scores };
    connection.nats.publish(subjects.riskScored, encodeRiskScores(told, signingKey));
  };
}
