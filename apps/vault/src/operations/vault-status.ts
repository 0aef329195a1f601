import type { vaultStatus } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { namespaceResource, type AskPolicy } from '../domain/access.js';
import type { Audited } from '../domain/audit-trail.js';
import type { VaultLock } from '../domain/vault-lock.js';
import { lockStateOf } from './command-lock.js';
import { permitOn } from './permit.js';
import { ALL_NAMESPACES } from './rewrap-keys.js';

export interface VaultStatusPorts {
  readonly audited: Audited;
  readonly askPolicy: AskPolicy;
  readonly lock: Pick<VaultLock, 'reason' | 'state'>;
  readonly instanceName: string;
  /** The other instances that were heard of lately. */
  readonly otherInstances: () => readonly string[];
  readonly clock: Clock;
}

/** Whether the vault is locked, as this instance sees it. @throws DENIED, AUDIT_UNAVAILABLE */
export const makeVaultStatus = (ports: VaultStatusPorts): Handler<typeof vaultStatus> =>
  ports.audited<typeof vaultStatus>('vault.read', async (_request, call, attempt) => {
    const { askPolicy, clock, lock, instanceName, otherInstances } = ports;
    attempt.concerns('vault', 'lock');
    permitOn({ askPolicy, call, attempt, nowMs: clock.now() }, 'key.read', namespaceResource(ALL_NAMESPACES));
    await attempt.succeeded();
    return { ...lockStateOf(lock), instance: instanceName, others: [...otherInstances()] };
  });
