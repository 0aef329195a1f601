import { toPublicError, type ErrorCode } from '@keymesh/contracts';

/** `degraded`: it serves, but not at its best (a database is away and memory answers). `down`: it cannot do its work. */
export type CheckStatus = 'ok' | 'degraded' | 'down';

export interface CheckResult {
  readonly status: CheckStatus;
  /** Facts for the operator: counts, versions, codes. Never a value or name. */
  readonly facts?: Readonly<Record<string, string | number | boolean>>;
  /** What callers are told meanwhile. */
  readonly code?: ErrorCode;
}

export interface HealthReport {
  readonly status: CheckStatus;
  readonly checks: Readonly<Record<string, CheckResult>>;
}

/** Whether this service can do its work, by parts. */
export interface HealthRegistry {
  /** A check returns its result, or throws: that is `down` with the error's code. It must answer fast; it is cut off at a second. */
  register(name: string, check: () => CheckResult | Promise<CheckResult>): void;
  /** Asks all checks. The worst one is the whole's status. */
  report(): Promise<HealthReport>;
}

const CHECK_TIMEOUT_MS = 1_000;

/** Makes an empty registry: without checks everything is `ok`. */
export function makeHealthRegistry(): HealthRegistry {
  const checks = new Map<string, () => CheckResult | Promise<CheckResult>>();
  return {
    register: (name, check) => void checks.set(name, check),
    async report() {
      const results = await Promise.all(
        [...checks].map(async ([name, check]) => [name, await ask(check)] as const),
      );
      const statuses = results.map(([, result]) => result.status);
      const status = statuses.includes('down') ? 'down' : statuses.includes('degraded') ? 'degraded' : 'ok';
      return { status, checks: Object.fromEntries(results) };
    },
  };
}

async function ask(check: () => CheckResult | Promise<CheckResult>): Promise<CheckResult> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<CheckResult>((resolve) => {
    timer = setTimeout(() => resolve({ status: 'down', code: 'DEADLINE_EXCEEDED' }), CHECK_TIMEOUT_MS);
  });
  try {
    return await Promise.race([check(), late]);
  } catch (error) {
    return { status: 'down', code: toPublicError(error).code };
  } finally {
    clearTimeout(timer);
  }
}
