import { failure } from '@keymesh/contracts';
import type { MeshFacts } from './config.js';

/**
 * Asks the launcher's HTTP port.
 * @returns status and text; any status counts as an answer.
 * @throws MESH_NOT_RUNNING when nothing answers.
 */
export async function askLauncher(facts: MeshFacts, path: string): Promise<{ status: number; text: string }> {
  return ask(`http://127.0.0.1:${facts.httpPort}${path}`);
}

/** Like {@link askLauncher} for any loopback URL, e.g. a service's /metrics. */
export async function ask(url: string): Promise<{ status: number; text: string }> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
    return { status: response.status, text: await response.text() };
  } catch (cause) {
    throw failure('MESH_NOT_RUNNING', {
      publicMessage: 'The mesh does not answer. Start it with `npm start`.',
      cause,
    });
  }
}
