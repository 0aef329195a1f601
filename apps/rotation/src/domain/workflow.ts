import type { CredentialMetadata, RotationAdapter, RotationState } from '@keymesh/contracts';

/*
 * One rotation, as a state machine. The state is the step that runs next; it is committed before the step's effect.
 *
 *   create ──▶ set ──▶ test ──▶ finish ──▶ done
 *      │        │        │         │
 *      └────────┴────────┴─────────┴──▶ rollback ──▶ failed
 *                                          └───────▶ done   (the promotion had taken effect after all)
 *
 * Every step may be repeated after a crash: its effect is idempotent for the same rotation id.
 * `finish` and `rollback` never give up on a failure whose effect is unknown: giving up would strand the consumers.
 */

/** Settings of an adapter, as the credential's rotation settings hold them. Never a secret. */
export type AdapterSettings = Readonly<Record<string, string | number>>;

/** The durable state of one rotation. */
export interface Workflow {
  readonly rotationId: string;
  readonly credentialId: string;
  readonly adapter: RotationAdapter;
  readonly settings: AdapterSettings;
  /** The version that was current at the start: what a rollback goes back to. */
  readonly fromVersion: number;
  /** The pending version, once `create` is done. */
  readonly version: number | null;
  readonly state: RotationState;
  /** Committed before the first change at the provider; false means that a rollback has nothing to restore there. */
  readonly providerTouched: boolean;
  /** Failed attempts of this state. */
  readonly attempts: number;
  /** Why it went to `rollback`: an error code or a reason of an adapter. */
  readonly reason: string | null;
  /** The step that failed. */
  readonly failedStep: RotationState | null;
  /** Why the rollback could not be completed, if so. */
  readonly rollbackReason: string | null;
}

/**
 * A rotation of a credential at its beginning.
 * @throws Error when the credential has no rotation settings; the caller has checked that.
 */
export function newWorkflow(rotationId: string, credential: CredentialMetadata): Workflow {
  if (credential.rotation === null) throw new Error('a credential without an adapter is not rotated');
  return {
    rotationId,
    credentialId: credential.credentialId,
    adapter: credential.rotation.adapter,
    settings: credential.rotation.settings ?? {},
    fromVersion: credential.version,
    version: null,
    state: 'create',
    providerTouched: false,
    attempts: 0,
    reason: null,
    failedStep: null,
    rollbackReason: null,
  };
}

/** What running one step came to. A refusal is data. */
export type StepOutcome =
  /** The effect has happened (now or before a crash). */
  | { readonly kind: 'done'; readonly version?: number }
  /** It may succeed later; whether the effect has happened may be unknown. */
  | { readonly kind: 'retry'; readonly reason: string }
  /** It has no effect and never will. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** Only of `rollback`: the provider accepts the old value again; what is left is to discard the pending version. */
  | { readonly kind: 'restored' }
  /** Only of `rollback`: the pending version is current, so there is nothing to roll back. */
  | { readonly kind: 'promoted' };

/** The fields that a step changes. `delayMs`: how long to wait before the next step; 0 is at once. */
export type Change = Pick<
  Workflow,
  'state' | 'version' | 'attempts' | 'reason' | 'failedStep' | 'rollbackReason'
> & {
  /** The provider holds the old value again: `providerTouched` becomes false. */
  readonly providerRestored: boolean;
  readonly delayMs: number;
};

export interface RetryLimits {
  /** Attempts of create, set and test before the rotation is rolled back. */
  readonly maxAttempts: number;
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
}

const NEXT = { create: 'set', set: 'test', test: 'finish', finish: 'done', rollback: 'failed' } as const;
type OpenState = keyof typeof NEXT;

/** Whether a step is still to run. */
export const isOpen = (state: RotationState): state is OpenState => state in NEXT;

/** Exponential backoff after `attempts` failed attempts, in milliseconds, without jitter. */
export const retryDelayMs = (attempts: number, limits: RetryLimits): number =>
  Math.min(limits.maxDelayMs, limits.firstDelayMs * 2 ** Math.min(attempts - 1, 30));

/**
 * The transition after one step. Pure.
 * @throws Error when the workflow is already final: a step of it can only run by mistake.
 */
export function nextAfter(workflow: Workflow, outcome: StepOutcome, limits: RetryLimits): Change {
  const { state } = workflow;
  if (!isOpen(state)) throw new Error(`a step ran in the final state ${state}`);
  const same = {
    state,
    version: workflow.version,
    attempts: workflow.attempts,
    reason: workflow.reason,
    failedStep: workflow.failedStep,
    rollbackReason: workflow.rollbackReason,
    providerRestored: false,
    delayMs: 0,
  };
  switch (outcome.kind) {
    case 'done':
      return { ...same, state: NEXT[state], attempts: 0, version: outcome.version ?? workflow.version };
    case 'restored':
      return { ...same, attempts: 0, providerRestored: true };
    case 'promoted':
      return { ...same, state: 'done', attempts: 0, reason: null, failedStep: null };
    case 'refused':
      return afterRefusal(workflow, same, outcome.reason);
    case 'retry': {
      const attempts = workflow.attempts + 1;
      // INVARIANT: an attempt of `finish` whose effect is unknown is repeated until it is known. Rolling back instead
      // could restore the old value at the provider while the vault already serves the new one.
      const givesUp = state !== 'finish' && state !== 'rollback' && attempts >= limits.maxAttempts;
      if (givesUp) return { ...same, ...toRollback(state, outcome.reason) };
      return { ...same, attempts, delayMs: retryDelayMs(attempts, limits) };
    }
  }
}

function afterRefusal(workflow: Workflow, same: Change, reason: string): Change {
  if (workflow.state === 'rollback') return { ...same, state: 'failed', attempts: 0, rollbackReason: reason };
  return { ...same, ...toRollback(workflow.state, reason) };
}

const toRollback = (failedStep: RotationState, reason: string) => ({
  state: 'rollback' as const,
  attempts: 0,
  reason,
  failedStep,
});
