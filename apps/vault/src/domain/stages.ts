import type { Stage } from '@keymesh/contracts';
import type { Credential, CredentialVersion } from './credential.js';

/**
 * Stages of versions. `pending` (a rotation makes it) → `current` → `previous` → `revoked`; `pending` → `revoked` when the rotation gives up.
 * INVARIANT: a credential has exactly one current, at most one previous and at most one pending version. Pure functions.
 */
export interface Restaged {
  readonly credential: Credential;
  /** Rows of versions whose stage changes, in an order that never has two currents. The new version of an add is not among them. */
  readonly changes: readonly { readonly version: number; readonly stage: Stage }[];
}

/** When a change happens, and the revision that it gets. */
export interface Change {
  readonly nowMs: number;
  readonly revision: number;
}

/** A new current version without a rotation: current becomes previous, previous is revoked. */
export function addCurrent(credential: Credential, change: Change): Restaged {
  const version = credential.lastVersion + 1;
  return makeCurrent({ ...credential, lastVersion: version }, version, change.nowMs, change);
}

/** A pending version of a rotation. */
export function addPending(credential: Credential, change: Change): Restaged {
  const version = credential.lastVersion + 1;
  return {
    credential: { ...credential, ...touched(change), lastVersion: version, pendingVersion: version },
    changes: [],
  };
}

/** pending → current, current → previous, previous → revoked. @param createdAtMs when the pending version was made. */
export function promotePending(
  credential: Credential,
  version: number,
  createdAtMs: number,
  change: Change,
): Restaged {
  const restaged = makeCurrent({ ...credential, pendingVersion: null }, version, createdAtMs, change);
  return { ...restaged, changes: [...restaged.changes, { version, stage: 'current' }] };
}

/** Ends the pending version. */
export function discardPending(credential: Credential, version: number, change: Change): Restaged {
  return {
    credential: { ...credential, ...touched(change), pendingVersion: null },
    changes: [{ version, stage: 'revoked' }],
  };
}

/**
 * Deletes it: nothing of it is handed out any more; its rows stay, so that no number or id is ever used again. A rotation that is under
 * way ends here: its pending version is revoked, else the credential could not be stored to after a restore.
 */
export function removeCredential(
  credential: Credential,
  recoverableUntilMs: number,
  change: Change,
): Restaged {
  const { pendingVersion } = credential;
  return {
    credential: {
      ...credential,
      ...touched(change),
      pendingVersion: null,
      deletedAtMs: change.nowMs,
      recoverableUntilMs,
    },
    changes: pendingVersion === null ? [] : [{ version: pendingVersion, stage: 'revoked' }],
  };
}

/** Takes a deletion back: the same id and versions, perhaps under another name of its namespace. */
export function bringBack(credential: Credential, name: string, change: Change): Credential {
  return { ...credential, ...touched(change), name, deletedAtMs: null, recoverableUntilMs: null };
}

/** A deleted credential whose versions are destroyed: it cannot come back. */
export function markPurged(credential: Credential, change: Change): Credential {
  return { ...credential, ...touched(change), purgedAtMs: change.nowMs };
}

/** A version that is about to be destroyed is named by nothing any more. INVARIANT: it is neither current nor pending. */
export function dropPrevious(credential: Credential, version: number, change: Change): Credential {
  const { previousVersion } = credential;
  return {
    ...credential,
    ...touched(change),
    previousVersion: previousVersion === version ? null : previousVersion,
  };
}

const NOTHING = new Uint8Array(0);

/** The row of a version without what could be opened or compared; number, ids and author stay for ever. */
export function wiped(version: CredentialVersion, stage: Stage, change: Change): CredentialVersion {
  return {
    ...version,
    stage,
    wrappedDek: NOTHING,
    ciphertext: NOTHING,
    fingerprint: null,
    destroyedAtMs: change.nowMs,
    revision: change.revision,
  };
}

function makeCurrent(credential: Credential, version: number, createdAtMs: number, change: Change): Restaged {
  const { currentVersion, previousVersion } = credential;
  return {
    credential: {
      ...credential,
      ...touched(change),
      currentVersion: version,
      previousVersion: currentVersion,
      versionCreatedAtMs: createdAtMs,
    },
    changes: [
      ...(previousVersion === null ? [] : [{ version: previousVersion, stage: 'revoked' as const }]),
      { version: currentVersion, stage: 'previous' },
    ],
  };
}

const touched = ({ nowMs, revision }: Change) => ({ updatedAtMs: nowMs, revision });
