import { SERVICES } from '@keymesh/contracts';
import { eventually } from '@keymesh/testing';
import type { RunningMesh } from './running-mesh.js';

/** Everything that the launcher keeps running. */
export const PARTS = [...SERVICES, 'postgres', 'nats'] as const;
export type Part = (typeof PARTS)[number];

interface PartStatus {
  readonly state: string;
  readonly pid?: number;
  /** Of /metrics and /health; services only. */
  readonly httpPort?: number;
}
interface Status {
  readonly status: string;
  readonly services: Readonly<Record<Part, PartStatus>>;
}

/** What the launcher says of every part now. */
export async function meshStatus(mesh: RunningMesh): Promise<Status> {
  const reply = await fetch(`${mesh.httpUrl}/status`);
  return (await reply.json()) as Status;
}

/** Ends one part with SIGKILL. @returns its pid, or undefined when it was not running at this moment. */
export async function killPart(mesh: RunningMesh, part: Part): Promise<number | undefined> {
  const { pid } = (await meshStatus(mesh)).services[part];
  if (pid === undefined) return undefined;
  try {
    process.kill(pid, 'SIGKILL');
    return pid;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return undefined;
    throw error;
  }
}

/** Resolves once every part is ready again, and none of them is one of the `dead`. */
export async function recovered(
  mesh: RunningMesh,
  dead: readonly number[] = [],
  timeoutMs = 60_000,
): Promise<void> {
  await eventually(
    async () => {
      const { status, services } = await meshStatus(mesh);
      const waiting = PARTS.filter((part) => {
        const { state, pid } = services[part];
        return state !== 'ready' || pid === undefined || dead.includes(pid);
      }).map((part) => `${part} (${services[part].state})`);
      if (status !== 'ready' || waiting.length > 0)
        throw new Error(`not back: ${waiting.join(', ')}\n${mesh.output().slice(-2_000)}`);
    },
    { timeoutMs },
  );
}
