import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '@keymesh/testing';
import { meshStatus } from './kill.js';
import type { RunningMesh } from './running-mesh.js';

/**
 * Has the mesh's own nats-server write down every message of every account, with headers and payload, in its log: nobody on the bus
 * may hear everything, so the recorder is the server itself. Lasts until it is started again, when its configuration is written anew.
 */
export async function tapBroker(mesh: RunningMesh): Promise<void> {
  const { pid } = (await meshStatus(mesh)).services.nats;
  if (pid === undefined) throw new Error('nats-server does not run');
  await appendFile(join(mesh.home, 'nats/server.conf'), '\ntrace: true\n');
  process.kill(pid, 'SIGHUP');
  await eventually(
    async () => {
      const log = await readFile(join(mesh.home, 'logs/nats.log'), 'utf8');
      if (!/\[TRC\].*MSG_PAYLOAD/.test(log)) throw new Error(`nothing is recorded: ${log.slice(-1_000)}`);
    },
    { timeoutMs: 20_000 }, // heartbeats of the journal come every ten seconds
  );
}
