import type { lockVault } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import { commandLock, lockMeanwhile, permitLock, type CommandLockPorts } from './command-lock.js';

/**
 * Drops every key that opens a value, on every instance, and keeps it so through restarts until `unlockVault`. Once it has answered, no
 * instance that obeyed reveals anything. What needs no key goes on: metadata, deletion, the audit, and the channel, which unlocking needs.
 * @throws DENIED, STORE_UNAVAILABLE (then locked in memory, until the database answers)
 */
export const makeLockVault = (ports: CommandLockPorts): Handler<typeof lockVault> =>
  ports.audited<typeof lockVault>('vault.locked', async (_request, call, attempt) => {
    permitLock(ports, call, attempt);
    return commandLock(ports, true, call, attempt).catch((error: unknown) => lockMeanwhile(ports, error));
  });
