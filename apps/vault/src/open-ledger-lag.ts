import { MINUTE, SECOND } from '@keymesh/kernel';
import type { ServiceKit } from '@keymesh/service-kit';
import type { VaultConfig } from './config.js';
import { makeLedgerLag, type LedgerLag } from './domain/ledger-lag.js';
import { makeLedgerWatch, makeReadUnledgeredAge } from './transport/ledger-watch.js';

const ALARM_MS = MINUTE;

/** Opens the watch over the ledger's lag; it stops with the service. Resolves after the first measurement, or attempt at one. */
export async function openLedgerLag(kit: ServiceKit<VaultConfig>): Promise<LedgerLag> {
  const { clock, logger, config, connection, health } = kit;
  const maxUnledgeredMs = config.maxUnledgeredSeconds * SECOND;
  const lag = makeLedgerLag({ clock, maxUnledgeredMs });
  const readAge = makeReadUnledgeredAge(connection);
  const watch = makeLedgerWatch({ lag, maxUnledgeredMs, readAge, clock, logger });
  // Never down: stores and metadata go on, and their records wait in the journal.
  health.register('ledger-lag', () => ({
    status: lag.isInTime() && lag.ageMs() <= ALARM_MS ? 'ok' : 'degraded',
    facts: { isInTime: lag.isInTime(), lagSeconds: Math.round(lag.ageMs() / SECOND) },
  }));
  await watch.start();
  kit.onShutdown('ledger watch', () => watch.stop());
  return lag;
}
