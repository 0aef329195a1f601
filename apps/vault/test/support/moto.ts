import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { eventually, freePort } from '@keymesh/testing';

const PYTHON =
  process.env.KEYMESH_PYTHON ?? join(import.meta.dirname, '../../../../.keymesh-tools/venv/bin/python');

/** AWS as moto emulates it, on the loopback. */
export interface Moto {
  readonly endpoint: string;
  stop(): Promise<void>;
}

/** Starts moto's server; `npm test` provides it (scripts/provision/python.mjs). It ends with this process. */
export async function startMoto(): Promise<Moto> {
  const port = await freePort();
  const server = spawn(join(dirname(PYTHON), 'moto_server'), ['-H', '127.0.0.1', '-p', String(port)], {
    stdio: 'ignore',
  });
  const gone = new Promise<void>((resolve) => {
    server.once('close', () => resolve());
    server.once('error', () => resolve());
  });
  const killWithUs = (): void => void server.kill('SIGKILL');
  process.once('exit', killWithUs);
  const endpoint = `http://127.0.0.1:${String(port)}`;
  await eventually(() => fetch(`${endpoint}/moto-api/`), { timeoutMs: 20_000 });
  return {
    endpoint,
    async stop() {
      process.off('exit', killWithUs);
      server.kill('SIGTERM');
      await gone;
    },
  };
}
