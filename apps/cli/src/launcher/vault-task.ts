import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { failure } from '@keymesh/contracts';
import { launcherEnvironment, parseLauncherConfig } from './config.js';
import { readFacts } from './facts.js';
import { homeAt } from './home.js';
import { lastWords } from './last-words.js';
import { serviceEnvironment } from './service-environment.js';
import { programOf } from './task.js';

/**
 * Runs a one-shot program of the vault with the environment that the launcher gives it, beside the running mesh.
 * @param home KEYMESH_HOME. @param onLine told of each line of its standard output, as it comes.
 * @returns its exit code, and what it said last.
 * @throws MESH_NOT_RUNNING when no mesh was started there, UNAVAILABLE when the vault is not built, CONFIG_INVALID
 */
export async function runVaultTask(
  home: string,
  program: 'fsck',
  onLine: (line: string) => void,
): Promise<{ readonly exitCode: number; readonly lastLog: string }> {
  const config = parseLauncherConfig({ ...launcherEnvironment(), KEYMESH_HOME: home }, []);
  const at = homeAt(config.home);
  const facts = readFacts(at);
  if (facts === undefined) {
    throw failure('MESH_NOT_RUNNING', {
      publicMessage: `No mesh was started in ${home}. Start it with \`npm start\`, or set KEYMESH_HOME.`,
    });
  }
  const env = serviceEnvironment('vault', config, at, {
    natsUrl: facts.natsUrl,
    databaseUrl: config.database?.url ?? `postgres://127.0.0.1:${String(facts.postgresPort)}/postgres`,
    httpPort: facts.httpPort,
    meshId: facts.meshId,
  });
  const child = spawn(process.execPath, [programOf(config, 'vault', program)], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log = `${log}${text}`.slice(-8_192)));
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
  for await (const line of createInterface({ input: child.stdout })) onLine(line);
  return { exitCode: await ended, lastLog: lastWords(log) };
}
