import { failure, type lockVault, type ReplyOf } from '@keymesh/contracts';
import { KeymeshError, type Clock } from '@keymesh/kernel';
import type { Call } from '@keymesh/mesh';
import { namespaceResource, type AskPolicy } from '../domain/access.js';
import { announceRecord } from '../domain/announcements.js';
import type { Attempt, Audited } from '../domain/audit-trail.js';
import type { KeyMutations } from '../domain/key-jobs.js';
import type { VaultLock } from '../domain/vault-lock.js';
import { permitOn } from './permit.js';
import { ALL_NAMESPACES } from './rewrap-keys.js';

/** What lockVault and unlockVault share. */
export interface CommandLockPorts {
  readonly audited: Audited;
  readonly askPolicy: AskPolicy;
  readonly keyMutations: KeyMutations;
  readonly lock: VaultLock;
  /** This instance's name. */
  readonly instanceName: string;
  /** Reads the lock as it now is, and obeys. Never rejects. */
  readonly hearLock: () => Promise<void>;
  /** Tells the other instances, and waits until they have obeyed, a second at most. Never throws. */
  readonly tellLock: () => Promise<{
    readonly obeyed: readonly string[];
    readonly silent: readonly string[];
  }>;
  readonly clock: Clock;
}
type Reply = ReplyOf<typeof lockVault>;

/** Decides, as for whatever concerns every namespace. @throws DENIED */
export function permitLock({ askPolicy, clock }: CommandLockPorts, call: Call, attempt: Attempt): void {
  attempt.concerns('vault', 'lock');
  permitOn({ askPolicy, call, attempt, nowMs: clock.now() }, 'vault.lock', namespaceResource(ALL_NAMESPACES));
}

/** Writes the command with its record, obeys it and has the other instances obey. */
export async function commandLock(
  ports: CommandLockPorts,
  locked: boolean,
  call: Call,
  attempt: Attempt,
): Promise<Reply> {
  await ports.keyMutations.run(call, async (transaction) => {
    await transaction.setLock(locked, call.principal);
    await announceRecord(transaction, attempt.success());
    return {};
  });
  await ports.hearLock();
  return { ...lockStateOf(ports.lock), instances: await tellOthers(ports) };
}

/** Locks in memory, on every instance that hears of it, while the database is away: each stays locked until it can read what was commanded last. */
export async function lockMeanwhile(ports: CommandLockPorts, error: unknown): Promise<never> {
  if (!KeymeshError.is(error) || error.code !== 'STORE_UNAVAILABLE') throw error;
  ports.lock.distrust();
  await tellOthers(ports);
  throw failure('STORE_UNAVAILABLE', {
    publicMessage:
      'The database does not answer, so the lock could not be kept: instances are locked only until it answers. Ask again then.',
  });
}

async function tellOthers({ tellLock, instanceName }: CommandLockPorts): Promise<Reply['instances']> {
  const { obeyed, silent } = await tellLock();
  return [
    { instance: instanceName, obeyed: true },
    ...obeyed.map((instance) => ({ instance, obeyed: true })),
    ...silent.map((instance) => ({ instance, obeyed: false })),
  ];
}

/** The lock as it may be told. */
export function lockStateOf(lock: Pick<VaultLock, 'reason' | 'state'>): Omit<Reply, 'instances'> {
  const state = lock.state();
  return {
    locked: lock.reason() !== undefined,
    reason: lock.reason() ?? null,
    changedBy: state?.changedBy ?? null,
    changedAt: state === undefined ? null : new Date(state.changedAtMs).toISOString(),
  };
}
