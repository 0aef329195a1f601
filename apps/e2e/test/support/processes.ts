import { readFile } from 'node:fs/promises';
import { meshStatus, PARTS } from './kill.js';
import type { RunningMesh } from './running-mesh.js';

/** What the system tells of a process to whoever may look. */
export interface ProcessView {
  readonly name: string;
  readonly pid: number;
  readonly arguments: Buffer;
  readonly environment: Buffer;
  /** Soft limit of a core dump, bytes or `unlimited`. */
  readonly coreLimit: string;
}

export async function viewProcess(name: string, pid: number): Promise<ProcessView> {
  const [args, environment, limits] = await Promise.all(
    ['cmdline', 'environ', 'limits'].map((file) => readFile(`/proc/${String(pid)}/${file}`)),
  );
  return {
    name,
    pid,
    arguments: args ?? Buffer.alloc(0),
    environment: environment ?? Buffer.alloc(0),
    coreLimit: /Max core file size\s+(\S+)/.exec(limits?.toString() ?? '')?.[1] ?? 'unknown',
  };
}

/** Every process of a mesh: the launcher and what it keeps running. */
export async function viewMesh(mesh: RunningMesh): Promise<ProcessView[]> {
  const { services } = await meshStatus(mesh);
  const pids = PARTS.map((part) => [part, services[part].pid] as const);
  return Promise.all(
    [...pids, ['launcher', mesh.launcher.pid] as const].flatMap(([name, pid]) =>
      pid === undefined ? [] : [viewProcess(name, pid)],
    ),
  );
}
