import { spawn } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '@keymesh/testing';
import { meshStatus } from './kill.js';
import { REPOSITORY, type RunningMesh } from './running-mesh.js';

/** What the launcher has given to its own vault. Linux only. */
export async function vaultEnvironment(mesh: RunningMesh): Promise<Record<string, string>> {
  const { pid } = (await meshStatus(mesh)).services.vault;
  if (pid === undefined) throw new Error('the vault does not run');
  const environ = await readFile(`/proc/${String(pid)}/environ`, 'utf8');
  const given = environ
    .split('\0')
    .filter(Boolean)
    .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const);
  return Object.fromEntries(given);
}

/** One more instance of the vault, with everything that the launcher gives its own, and its changes. Linux only. */
export async function startSecondVault(
  mesh: RunningMesh,
  change: Readonly<Record<string, string>> = {},
): Promise<{ stop(): Promise<void> }> {
  const name = change.KEYMESH_INSTANCE ?? 'vault-2';
  const readyFile = join(mesh.home, `run/${name}.ready.json`);
  await rm(readyFile, { force: true });
  const env = {
    ...(await vaultEnvironment(mesh)),
    KEYMESH_INSTANCE: name,
    KEYMESH_READY_FILE: readyFile,
    ...change,
  };
  // It ends with its standard input, so also when this process is killed.
  const child = spawn(process.execPath, [join(REPOSITORY, 'apps/vault/dist/main.js')], {
    env,
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = new Promise<void>((done) => child.once('exit', () => done()));
  await eventually(
    async () => {
      if (child.exitCode !== null) throw new Error(`${name} ended: ${said.slice(-2_000)}`);
      const { httpPort } = JSON.parse(await readFile(readyFile, 'utf8')) as { httpPort: number };
      const answer = await fetch(`http://127.0.0.1:${String(httpPort)}/health/ready`);
      if (answer.status !== 200) throw new Error(`not ready: ${await answer.text()}`);
    },
    { timeoutMs: 120_000 },
  );
  return {
    stop: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
