import { KILL_SCOPES } from '@keymesh/contracts';
import type { Directory } from '@keymesh/policy-engine';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** What the policy service measures besides what every service does. */
export interface PolicyMetrics {
  readonly callouts: Counter<'outcome'>;
  readonly calloutDuration: Histogram<'outcome'>;
  readonly cutConnections: Counter;
  /** `stranger`: without a key that we know and that was proven; `token`: a wrong statement by the bearer of one. */
  readonly failedAttempts: Counter<'what'>;
  readonly lockouts: Counter<'what'>;
  followSources(count: () => number): void;
  countPrincipals(directory: Directory): void;
}

const STATUSES = ['invited', 'active', 'disabled', 'locked', 'killed'] as const;

export function makePolicyMetrics(registry: Registry): PolicyMetrics {
  const registers = [registry];
  const killSwitches = new Gauge({
    name: 'keymesh_policy_kill_switches',
    help: 'Kill switches in force, as of the newest bundle.',
    labelNames: ['scope'],
    registers,
  });
  const principals = new Gauge({
    name: 'keymesh_policy_principals',
    help: 'Principals by status, as of the newest bundle.',
    labelNames: ['status'],
    registers,
  });
  return {
    callouts: new Counter({
      name: 'keymesh_policy_callouts_total',
      help: 'Connections asked for at the auth callout.',
      labelNames: ['outcome'],
      registers,
    }),
    calloutDuration: new Histogram({
      name: 'keymesh_policy_callout_duration_seconds',
      help: 'Answering an auth callout.',
      labelNames: ['outcome'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    }),
    cutConnections: new Counter({
      name: 'keymesh_policy_cut_connections_total',
      help: 'Connections closed because their principal was disabled, stopped or locked.',
      registers,
    }),
    ...attemptMeters(registers),
    countPrincipals(directory) {
      for (const scope of KILL_SCOPES)
        killSwitches.set({ scope }, directory.kills.filter((kill) => kill.scope === scope).length);
      const all = directory.list();
      for (const status of STATUSES)
        principals.set({ status }, all.filter((entry) => entry.status === status).length);
    },
  };
}

/** Of failed attempts to come in. */
const attemptMeters = (
  registers: Registry[],
): Pick<PolicyMetrics, 'failedAttempts' | 'lockouts' | 'followSources'> => ({
  failedAttempts: new Counter({
    name: 'keymesh_policy_failed_attempts_total',
    help: 'Attempts to come in that failed and were looked at.',
    labelNames: ['what'],
    registers,
  }),
  lockouts: new Counter({
    name: 'keymesh_policy_lockouts_total',
    help: 'Lockouts of a source of strangers, or of a token, that began.',
    labelNames: ['what'],
    registers,
  }),
  followSources(count) {
    new Gauge({
      name: 'keymesh_policy_failing_sources',
      help: 'Sources of failed attempts that are remembered; bounded.',
      registers,
      collect() {
        this.set(count());
      },
    });
  },
});
