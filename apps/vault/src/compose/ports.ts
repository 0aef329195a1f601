import type { Clock, SigningKey } from '@keymesh/kernel';
import { makePolicyPort, openAskPolicy, type ServiceKit } from '@keymesh/service-kit';
import type { VaultConfig } from '../config.js';
import type { AskPolicy } from '../domain/access.js';
import {
  makeAudited,
  makeBeginAttempt,
  type Audited,
  type AuditTrailOptions,
  type BeginAttempt,
} from '../domain/audit-trail.js';
import type { LedgerLag } from '../domain/ledger-lag.js';
import type { PolicyPort, ValueVault } from '../domain/ports.js';
import { makeRateLimit } from '../domain/rate-limit.js';
import type { RowSeal } from '../domain/row-mac.js';
import type { RootKms } from '../kms/composite.js';
import type { ReopenedKms } from '../kms/reopened.js';
import { makeKeyring, type Keyring } from '../kms/keyring.js';
import { makeValueVault } from '../kms/value-vault.js';
import type { VaultMetrics } from '../metrics.js';
import type { VaultKeys } from '../open-keys.js';
import type { VaultQuality } from '../open-quality.js';
import type { VaultStore } from '../open-store.js';
import { makeKekStore } from '../store/kek-store.js';
import { limited, whileLedgered } from '../transport/operations.js';
import { makeVaultLock, type VaultLock } from '../domain/vault-lock.js';
import { recordRefusedSums } from '../transport/refused-sums.js';
import { besideShadow, startShadow } from './shadow.js';

/** All that operations need of the world; each takes what it names. */
export interface VaultPorts extends VaultStore, VaultQuality {
  readonly kit: ServiceKit<VaultConfig>;
  readonly metrics: VaultMetrics;
  readonly clock: Clock;
  readonly audited: Audited;
  readonly beginAttempt: BeginAttempt;
  readonly policy: PolicyPort;
  readonly askPolicy: AskPolicy;
  readonly kms: RootKms & ReopenedKms;
  readonly keyring: Keyring;
  readonly lock: VaultLock;
  readonly seal: RowSeal;
  readonly values: ValueVault;
  readonly meshKey: SigningKey;
  /** In front of every operation: the rate limit. */
  readonly serve: ReturnType<typeof limited>;
  /** In front of what reveals values as well: the ledger must be in time. */
  readonly reveal: ReturnType<typeof whileLedgered>;
}

/** Which adapter fills which port. */
export function makePorts(
  kit: ServiceKit<VaultConfig>,
  { kms, meshKey, seal }: VaultKeys,
  store: VaultStore,
  quality: VaultQuality,
  ledgerLag: LedgerLag,
  metrics: VaultMetrics,
): VaultPorts {
  const { clock, instance, journal, config, dataSource } = kit;
  const policy = besideShadow(makePolicyPort(kit.policy, clock), startShadow(kit, metrics));
  const lock = makeVaultLock({
    startLocked: config.startLocked,
    dropKeys() {
      keyring.drop();
      kms.forget();
      store.versions.forget?.();
      // What is about to be released is looked up again first, and finds the vault locked.
      store.index.withdrawAll();
    },
  });
  const keyring = makeKeyring({
    kms,
    store: makeKekStore(dataSource),
    clock,
    onUse: (outcome) => (outcome === 'hit' ? metrics.cacheHits : metrics.cacheMisses).inc({ cache: 'kek' }),
    requireUnlocked: lock.requireUnlocked,
    ...config.kek,
  });
  const rateLimit = makeRateLimit({ ...config.rateLimit, clock });
  recordRefusedSums(kit, rateLimit);
  const auditTrail: AuditTrailOptions = {
    instance,
    clock,
    recordDurably: (record, beside, deadlineAt) => journal.record(record, beside, { deadlineAt }),
  };
  return {
    ...store,
    ...quality,
    kit,
    metrics,
    clock,
    policy,
    askPolicy: openAskPolicy(kit, { service: 'vault', policy }),
    audited: makeAudited(auditTrail),
    beginAttempt: makeBeginAttempt(auditTrail),
    kms,
    keyring,
    lock,
    seal,
    values: makeValueVault(keyring),
    meshKey,
    serve: limited(rateLimit, () => metrics.rateLimited.inc()),
    reveal: whileLedgered(ledgerLag),
  };
}
