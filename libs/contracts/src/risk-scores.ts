import { z } from 'zod';
import { principalName } from './identity.js';

/** Principals told of at once; of more, those with the highest score. */
export const MAX_RISK_SCORES = 2_000;

/**
 * What the anomaly detector thinks of principals now: core NATS, signed by its channel key, whole each time. Who is not named has the score 0.
 * The broker can hold it back but not make one; an older one that it plays again is not taken.
 */
export const riskScores = z.strictObject({
  v: z.literal(1),
  meshId: z.string(),
  at: z.iso.datetime(),
  scores: z
    .record(principalName, z.int().min(1).max(100))
    .refine((scores) => Object.keys(scores).length <= MAX_RISK_SCORES, 'too many principals'),
});
export type RiskScores = z.output<typeof riskScores>;
