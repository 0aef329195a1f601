import { makeConnectionAttempts, type ConnectionAttempts } from '../domain/failed-attempts.js';
import { makeTokenFailures } from '../store/token-failures.js';
import type { PolicyPorts } from './ports.js';

/** Counts who fails to come in: strangers in memory, tokens in Postgres. */
export function openAttempts({
  kit: { dataSource, clock, logger },
  refusals,
  makeRecord,
  metrics,
}: Pick<PolicyPorts, 'kit' | 'refusals' | 'makeRecord' | 'metrics'>): {
  readonly attempts: ConnectionAttempts;
  readonly tokenFailures: ReturnType<typeof makeTokenFailures>;
} {
  const tokenFailures = makeTokenFailures(dataSource, clock);
  for (const what of ['stranger', 'token'] as const) {
    metrics.failedAttempts.inc({ what }, 0);
    metrics.lockouts.inc({ what }, 0);
  }
  const attempts = makeConnectionAttempts({
    clock,
    tokens: tokenFailures,
    refusals,
    makeRecord,
    onFailed(what, lockout) {
      metrics.failedAttempts.inc({ what });
      if (lockout !== undefined) metrics.lockouts.inc({ what });
    },
    onLost: (error) => logger.warn({ err: error }, 'failed attempts of a token could not be counted'),
  });
  metrics.followSources(() => attempts.sources());
  return { attempts, tokenFailures };
}
