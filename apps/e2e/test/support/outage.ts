import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '@keymesh/testing';
import { killPart, meshStatus, type Part } from './kill.js';
import type { RunningMesh } from './running-mesh.js';

/** A part that is down until it is let up again. */
export interface Outage {
  end(): Promise<void>;
}

/** Kills Postgres and sits on its port, so that the launcher's attempts to start it again fail, as with a disk that is full. */
export async function holdPostgresDown(mesh: RunningMesh): Promise<Outage> {
  const { postgresPort } = JSON.parse(await readFile(join(mesh.home, 'mesh.json'), 'utf8')) as {
    postgresPort: number;
  };
  const squatter = await eventually(
    async () => {
      await killPart(mesh, 'postgres');
      return listen(postgresPort);
    },
    { timeoutMs: 20_000 },
  );
  return {
    end: async () => {
      squatter.close();
      await once(squatter, 'close');
    },
  };
}

async function listen(port: number): Promise<Server> {
  const server = createServer((socket) => socket.destroy()).listen({
    port,
    host: '127.0.0.1',
    exclusive: true,
  });
  await Promise.race([
    once(server, 'listening'),
    once(server, 'error').then(([error]) => {
      throw error;
    }),
  ]);
  return server;
}

/** Kills a service each time that the launcher has started it again. Resolves once it was killed the first time. */
export async function holdServiceDown(mesh: RunningMesh, part: Part): Promise<Outage> {
  const ending = new AbortController();
  await killPart(mesh, part);
  const holding = (async () => {
    while (!ending.signal.aborted) {
      const { pid } = (await meshStatus(mesh)).services[part];
      if (pid !== undefined) await killPart(mesh, part);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  return {
    end: async () => {
      ending.abort();
      await holding;
    },
  };
}
