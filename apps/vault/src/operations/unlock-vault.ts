import type { unlockVault } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import { commandLock, permitLock, type CommandLockPorts } from './command-lock.js';

export interface UnlockVaultPorts extends CommandLockPorts {
  /** Unwraps a key of the vault through the KMS. @throws KMS_UNAVAILABLE, CONFIG_INVALID when it is another KMS than the one that wrapped it */
  readonly probeKms: () => Promise<void>;
}

/**
 * Lets every instance fetch keys through the KMS again, when it is asked for a value. Refused where the KMS does not give this one a key: an
 * unlocked vault that opens nothing would only look like one. @throws DENIED, KMS_UNAVAILABLE, CONFIG_INVALID, STORE_UNAVAILABLE
 */
export const makeUnlockVault = (ports: UnlockVaultPorts): Handler<typeof unlockVault> =>
  ports.audited<typeof unlockVault>('vault.unlocked', async (_request, call, attempt) => {
    permitLock(ports, call, attempt);
    await ports.probeKms();
    return commandLock(ports, false, call, attempt);
  });
