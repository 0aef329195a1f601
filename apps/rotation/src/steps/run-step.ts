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
        return attempt(workflow, async () => {
          const result = await adapter.create(context);
          return result.ok && result.version !== undefined
            ? { kind: 'done', version: result.version }
            : outcomeOf(result);
        });
      case 'set':
        return attempt(workflow, async () => outcomeOf(await adapter.set(context)));
      case 'test':
        return attempt(workflow, async () => outcomeOf(await adapter.test(context)));
      case 'finish':
        return attempt(workflow, async () => {
          await vault.promote(workflow, versionOf(workflow));
          return { kind: 'done' };
        });
      case 'rollback':
        return attempt(workflow, () => rollBack(vault, adapter, context), isFinalForRollback);
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

/**
 * First the provider gets its old value back, and that is committed; only then the pending version ends. So a pending version that
 * cannot be revealed never means that the provider was restored before.
 */
async function rollBack(vault: Vault, adapter: ProviderAdapter, context: StepContext): Promise<StepOutcome> {
  const { workflow } = context;
  if (workflow.providerTouched) {
    if ((await stageOfPending(context)) === 'current') return { kind: 'promoted' };
    const restored = await adapter.rollback(context);
    return restored.ok ? { kind: 'restored' } : outcomeOf(restored);
  }
  const version = workflow.version ?? (await findPending(vault, workflow));
  if (version !== undefined) await discard(vault, workflow, version);
  return { kind: 'done' };
}

async function stageOfPending(context: StepContext): Promise<string> {
  using pending = await context.reveal('new');
  return pending.stage;
}

// `create` may have made the version and then lost the answer: asking again for the same rotation names it.
async function findPending(vault: Vault, workflow: Workflow): Promise<number | undefined> {
  try {
    return (await vault.prepare(workflow)).version;
  } catch (error) {
    // In progress: the pending version there is belongs to another rotation, so this one has none.
    const isOfAnother = KeymeshError.is(error) && error.code === 'ROTATION_IN_PROGRESS';
    if (isRetryable(error) && !isOfAnother) throw error;
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
/** An instance of the vault that has not heard of a version yet says so for a second at most. */
const ATTEMPTS_OF_ABSENCE = 10;

// INVARIANT: a rollback ends for no other reason; a denial or an outage leaves it open and it is tried again.
const isFinalForRollback = (error: unknown, { attempts }: Workflow): boolean =>
  KeymeshError.is(error) &&
  (error.code === 'CREDENTIAL_NOT_FOUND' ||
    (error.code === 'VERSION_NOT_FOUND' && attempts >= ATTEMPTS_OF_ABSENCE));

const isFinal = (error: unknown): boolean =>
  !isRetryable(error) && !(KeymeshError.is(error) && error.code === 'VERSION_NOT_FOUND');

async function attempt(
  workflow: Workflow,
  step: () => Promise<StepOutcome>,
  endsIt: (error: unknown, workflow: Workflow) => boolean = isFinal,
): Promise<StepOutcome> {
  try {
    return await step();
  } catch (error) {
    const reason = KeymeshError.is(error) ? error.code : 'INTERNAL';
    return { kind: endsIt(error, workflow) ? 'refused' : 'retry', reason };
  }
}

function isRetryable(error: unknown): boolean {
  if (!KeymeshError.is(error)) return true;
  return error.retryable ?? (!isErrorCode(error.code) || ERROR_CATALOGUE[error.code].retryable);
}

const outcomeOf = (result: AdapterResult): StepOutcome =>
  result.ok ? { kind: 'done' } : { kind: result.retryable ? 'retry' : 'refused', reason: result.reason };
