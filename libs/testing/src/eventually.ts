const POLL_MS = 20;

/** Resolves with what `attempt` returns once it stops throwing; throws its last error after `timeoutMs` (default 5,000). */
export async function eventually<T>(
  attempt: () => T | Promise<T>,
  { timeoutMs = 5_000 }: { readonly timeoutMs?: number } = {},
): Promise<T> {
  const giveUpAt = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() >= giveUpAt) throw error;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}
