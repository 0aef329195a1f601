import { createProjectGraphAsync } from '@nx/devkit';

/**
 * Makes the project graph that `@nx/enforce-module-boundaries` reads. Without one the rule is silently skipped, and a rule that forbids nothing is
 * worse than none. Under `nx lint` Nx has just made it.
 */
export async function ensureProjectGraph() {
  if (process.env.NX_TASK_HASH !== undefined) return;
  // No background process is left behind by a lint run.
  process.env.NX_DAEMON ??= 'false';
  await createProjectGraphAsync({ exitOnError: false });
}
