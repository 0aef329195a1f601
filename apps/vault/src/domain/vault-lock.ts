import { failure } from '@keymesh/contracts';

/** The lock as all instances share it. `revision` grows with every command. */
export interface LockState {
  readonly locked: boolean;
  readonly revision: number;
  readonly changedBy: string;
  readonly changedAtMs: number;
}

/** What reading it gave: no row yet, or a row that is not as the vault wrote it. */
export type ReadLock = LockState | 'never-set' | 'damaged';

/** Why the vault is locked: somebody's command, KEYMESH_START_LOCKED, or nobody can tell (then it is locked). */
export type LockReason = 'command' | 'start' | 'unreadable';

export interface VaultLock {
  /** @throws VAULT_LOCKED */
  readonly requireUnlocked: () => void;
  /** @returns undefined while unlocked. */
  reason(): LockReason | undefined;
  /** The newest state that was seen. */
  state(): LockState | undefined;
  /** Takes in what was read, and drops the keys if that locks. */
  see(read: ReadLock): void;
  /** A command was given that could not be read: locks until the state can be. */
  distrust(): void;
}

/**
 * Whether this instance may hold keys. `locked` ⇄ `unlocked` by the shared state; what cannot be believed locks.
 * INVARIANT: an older state is never taken again: whoever puts an earlier row back locks the vault at most.
 * @param options.startLocked until somebody unlocks the vault after this start. @param options.dropKeys forgets every key that opens a value.
 */
export function makeVaultLock(options: {
  readonly startLocked: boolean;
  readonly dropKeys: () => void;
}): VaultLock {
  let newest: LockState | undefined;
  let believed = false;
  let revisionAtStart: number | undefined;
  let wasLocked = false;

  const reason = (): LockReason | undefined => {
    if (!believed) return 'unreadable';
    if (newest?.locked === true) return 'command';
    return options.startLocked && (newest?.revision ?? 0) === revisionAtStart ? 'start' : undefined;
  };
  const obey = (): void => {
    const isLocked = reason() !== undefined;
    if (isLocked && !wasLocked) options.dropKeys();
    wasLocked = isLocked;
  };

  return {
    requireUnlocked() {
      if (reason() !== undefined) throw failure('VAULT_LOCKED');
    },
    reason,
    state: () => newest,
    see(read) {
      const revision = typeof read === 'object' ? read.revision : 0;
      believed = read !== 'damaged' && revision >= (newest?.revision ?? 0);
      if (believed) {
        revisionAtStart ??= revision;
        if (typeof read === 'object') newest = read;
      }
      obey();
    },
    distrust() {
      believed = false;
      obey();
    },
  };
}
