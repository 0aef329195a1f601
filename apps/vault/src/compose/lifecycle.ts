import { toPublicError } from '@keymesh/contracts';
import { Gauge } from 'prom-client';
import { countExpired, countExpiring } from '../domain/expiry.js';
import { makeDeadlineLoop } from '../jobs/deadline-loop.js';
import { makeExpiryRound } from '../jobs/expiry.js';
import { makePurgeRound } from '../jobs/purge.js';
import type { VaultPorts } from './ports.js';

/** What the vault does by itself when a credential's time has come: notices of expiry, and destruction after the recovery window. */
export function startLifecycleJobs(ports: VaultPorts): void {
  const { kit, clock } = ports;
  const { logger } = kit;
  const actor = { ...ports, instance: kit.instance };
  const start = (what: string, runOnce: () => Promise<number | undefined>): void => {
    const loop = makeDeadlineLoop({
      runOnce,
      clock,
      onError: (error) => logger.warn({ code: toPublicError(error).code }, `${what} is tried again`),
    });
    loop.start();
    kit.onShutdown(what, loop.stop);
  };
  start('expiry', makeExpiryRound(actor));
  start(
    'purge',
    makePurgeRound({
      ...actor,
      onFailure: (credentialId, error) =>
        logger.error(
          { credentialId, code: toPublicError(error).code },
          'a deleted credential was not purged',
        ),
    }),
  );
  observeExpiry(ports);
}

function observeExpiry({ kit, index, clock }: VaultPorts): void {
  new Gauge({
    name: 'keymesh_vault_credentials_expiring',
    help: 'Living credentials that expire within so many days, or have (within 0).',
    labelNames: ['within_days'],
    registers: [kit.metrics.registry],
    async collect() {
      const { credentials } = await index.listByName().catch(() => ({ credentials: [] }));
      const nowMs = clock.now();
      this.set({ within_days: '0' }, countExpired(credentials, nowMs));
      for (const days of [7, 30])
        this.set({ within_days: String(days) }, countExpiring(credentials, days, nowMs));
    },
  });
}
