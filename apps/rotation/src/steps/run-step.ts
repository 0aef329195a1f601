import { ERROR_CATALOGUE, isErrorCode, type RotationAdapter } from '@keymesh/contracts';
import { KeymeshError } from '@keymesh/kernel';
import type { AdapterResult, ProviderAdapter, StepContext, Vault } from '../domain/ports.js';
import { isOpen, type StepOutcome, type Workflow } from '../domain/workflow.js';

export type Adapters = Readonly<Record<RotationAdapter, ProviderAdapter>>;

/** What a step gets from its runner besides the workflow. */
export type StepHands = Pick<StepContext, 'markTouched' | 'signal'>;

export type RunStep = (workflow: Workflow, hands: StepHands) => Promise<StepOutcome>;

/**
 * Runs the step that a workflow is in. Never throws for a failure of the vault or the provider: that is an outcome.
 * Keeps nothing: after a crash the same call with the same workflow is safe.
 */
export function makeRunStep(vault: Vault, adapters: Adapters): RunStep {
  return async (workflow, hands) => {
    const context = contextOf(vault, workflow, hands);
    const adapter = adapters[workflow.adapter];
    switch (workflow.state) {
      case 'create':
        return attempt(async () => {
          const result = await adapter.create(context);
          return result.ok && result.version !== undefined
            ? { kind: 'done', version: result.version }
            : outcomeOf(result);
        });
      case 'set':
        return attempt(async () => outcomeOf(await adapter.set(context)));
      case 'test':
        return attempt(async () => outcomeOf(await adapter.test(context)));
      case 'finish':
        return attempt(async () => {
          await vault.promote(workflow, versionOf(workflow));
          return { kind: 'done' };
        });
      case 'rollback':
        return attempt(() => rollBack(vault, adapter, context), isFinalForRollback);
      default:
        throw new Error(`a step ran in the final state ${workflow.state}`);
    }
  };
}

function contextOf(vault: Vault, workflow: Workflow, hands: StepHands): StepContext {
  const versions = { old: () => workflow.fromVersion, new: () => versionOf(workflow) };
  return {
    workflow,
    settings: workflow.settings,
    reveal: (which) => vault.reveal(workflow, versions[which]()),
    ...hands,
  };
}

function versionOf(workflow: Workflow): number {
  if (workflow.version === null && isOpen(workflow.state))
    throw new Error('this step needs a pending version');
  return workflow.version ?? 0;
}

/** The order matters: first the provider gets its old value back, then the pending version ends. */
async function rollBack(vault: Vault, adapter: ProviderAdapter, context: StepContext): Promise<StepOutcome> {
  const { workflow } = context;
  if (workflow.providerTouched) {
    const stage = await stageOfPending(context);
    if (stage === 'current') return { kind: 'promoted' };
    // A pending version that is gone was discarded by this rollback before a crash, so the provider is already restored.
    if (stage !== undefined) {
      const restored = await adapter.rollback(context);
      if (!restored.ok) return outcomeOf(restored);
    }
  }
  const version = workflow.version ?? (await findPending(vault, workflow));
  if (version !== undefined) await discard(vault, workflow, version);
  return { kind: 'done' };
}

async function stageOfPending(context: StepContext): Promise<string | undefined> {
  try {
    using pending = await context.reveal('new');
    return pending.stage === 'revoked' ? undefined : pending.stage;
  } catch (error) {
    if (KeymeshError.is(error) && error.code === 'VERSION_NOT_FOUND') return undefined;
    throw error;
  }
}

// `create` may have made the version and then lost the answer: asking again for the same rotation names it.
async function findPending(vault: Vault, workflow: Workflow): Promise<number | undefined> {
  try {
    return (await vault.prepare(workflow)).version;
  } catch (error) {
    if (isRetryable(error)) throw error;
    return undefined;
  }
}

async function discard(vault: Vault, workflow: Workflow, version: number): Promise<void> {
  try {
    await vault.discard(workflow, version);
  } catch (error) {
    if (!KeymeshError.is(error) || !GONE.has(error.code)) throw error;
  }
}

const GONE = new Set(['VERSION_NOT_FOUND', 'CREDENTIAL_NOT_FOUND']);

// INVARIANT: a rollback ends for no other reason; a denial or an outage leaves it open and it is tried again.
const isFinalForRollback = (error: unknown): boolean => KeymeshError.is(error) && GONE.has(error.code);

async function attempt(
  step: () => Promise<StepOutcome>,
  isFinal: (error: unknown) => boolean = (error) => !isRetryable(error),
): Promise<StepOutcome> {
  try {
    return await step();
  } catch (error) {
    const reason = KeymeshError.is(error) ? error.code : 'INTERNAL';
    return { kind: isFinal(error) ? 'refused' : 'retry', reason };
  }
}

function isRetryable(error: unknown): boolean {
  if (!KeymeshError.is(error)) return true;
  return error.retryable ?? (!isErrorCode(error.code) || ERROR_CATALOGUE[error.code].retryable);
}

const outcomeOf = (result: AdapterResult): StepOutcome =>
  result.ok ? { kind: 'done' } : { kind: result.retryable ? 'retry' : 'refused', reason: result.reason };
