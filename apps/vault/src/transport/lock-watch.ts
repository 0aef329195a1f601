import { toPublicError } from '@keymesh/contracts';
import type { Logger } from '@keymesh/service-kit';
import type { LockReason, ReadLock, VaultLock } from '../domain/vault-lock.js';
import { CURRENCY_MS } from '../store/currency.js';

export interface LockWatchOptions {
  readonly lock: VaultLock;
  /** @throws STORE_UNAVAILABLE */
  readonly readLock: () => Promise<ReadLock>;
  readonly logger: Pick<Logger, 'warn' | 'info' | 'error'>;
}

/** Keeps this instance's lock as the vault's is: asks twice a second, so that a command which was not heard is obeyed within one. */
export interface LockWatch {
  /** Reads the lock for the first time, then goes on. @throws STORE_UNAVAILABLE */
  readonly start: () => Promise<void>;
  /** Reads it now, because somebody said that it changed; while that fails, the vault is locked. Never rejects. */
  readonly hear: () => Promise<void>;
  readonly stop: () => void;
}

export function makeLockWatch({ lock, readLock, logger }: LockWatchOptions): LockWatch {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let told: LockReason | undefined;
  let turn: Promise<void> = Promise.resolve();

  const lookNow = async (): Promise<void> => {
    lock.see(await readLock());
    const reason = lock.reason();
    if (reason === told) return;
    told = reason;
    if (reason === undefined) logger.info('the vault is unlocked');
    else if (reason === 'unreadable')
      logger.error(
        { reason },
        'the lock row is not as the vault wrote it: the vault is locked until an operator unlocks it',
      );
    else logger.warn({ reason }, 'the vault is locked: no key that opens a value is in memory');
  };
  // One at a time: an answer from before a command must not come after the command.
  const look = (): Promise<void> => {
    turn = turn.then(lookNow, lookNow);
    return turn;
  };
  const poll = (): void => {
    if (stopped) return;
    // While Postgres is away the state stays as it was: nobody can have changed it.
    timer = setTimeout(
      () =>
        void look()
          .catch(() => undefined)
          .then(poll),
      CURRENCY_MS / 2,
    );
    timer.unref();
  };
  return {
    async start() {
      await look();
      poll();
    },
    async hear() {
      try {
        await look();
      } catch (error) {
        lock.distrust();
        logger.warn(
          { code: toPublicError(error).code },
          'a lock was commanded that cannot be read: the vault is locked meanwhile',
        );
      }
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
