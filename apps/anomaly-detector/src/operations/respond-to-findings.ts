import { KeymeshError, type Clock } from '@keymesh/kernel';
import { ERROR_CATALOGUE, isErrorCode } from '@keymesh/contracts';
import { planResponse, type PrincipalFacts } from '../domain/response.js';
import type { DueLock } from '../store/lock-queue.js';

export interface RespondDependencies {
  readonly clock: Clock;
  readonly lockSeconds: number;
  takeDueLock(): Promise<DueLock | undefined>;
  saveResponse(findingId: string, response: string, retryInMs?: number): Promise<void>;
  /** @throws POLICY_UNAVAILABLE while there is no bundle. */
  findPrincipal(name: string): PrincipalFacts | undefined;
  /** Asks the policy service. Locking one that is locked makes the lock last from now. */
  lock(principal: string, lockSeconds: number, reason: string): Promise<{ lockedUntil: string }>;
}

const retryDelayMs = (attempts: number): number => Math.min(60_000, 500 * 2 ** Math.min(attempts - 1, 10));

/**
 * Answers every finding that is due, one after another; what fails for now is due again later.
 * @returns how many it looked at. @throws STORE_UNAVAILABLE
 */
export async function respondToFindings(dependencies: RespondDependencies): Promise<number> {
  for (let count = 0; ; count += 1) {
    const due = await dependencies.takeDueLock();
    if (due === undefined) return count;
    const { response, retryInMs } = await respond(due, dependencies);
    await dependencies.saveResponse(due.finding.findingId, response, retryInMs);
  }
}

async function respond(
  { finding, attempts }: DueLock,
  dependencies: RespondDependencies,
): Promise<{ response: string; retryInMs?: number }> {
  try {
    const principal = dependencies.findPrincipal(finding.principal);
    const { lockSeconds, clock } = dependencies;
    const plan = planResponse(finding, principal, { lockSeconds, now: clock.now() });
    if (plan.kind === 'none') return { response: plan.response ?? 'none' };
    const { lockedUntil } = await dependencies.lock(finding.principal, plan.lockSeconds, finding.kind);
    return { response: `locked until ${lockedUntil}` };
  } catch (error) {
    const code = KeymeshError.is(error) ? error.code : 'INTERNAL';
    if (isRetryable(error)) return { response: `lock requested: ${code}`, retryInMs: retryDelayMs(attempts) };
    return { response: `not locked: ${code}` };
  }
}

function isRetryable(error: unknown): boolean {
  if (!KeymeshError.is(error)) return true;
  return error.retryable ?? (!isErrorCode(error.code) || ERROR_CATALOGUE[error.code].retryable);
}
