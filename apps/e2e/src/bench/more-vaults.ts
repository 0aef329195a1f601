import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

const MAIN = join(import.meta.dirname, '../../../vault/dist/main.js');
const PATIENCE_MS = 60_000;

/** Starts more instances of a vault that runs, with everything that it was given. They end with this process. Linux only. */
export async function startMoreVaults(
  home: string,
  pid: number,
  names: readonly string[],
): Promise<{ stop(): Promise<void> }> {
  const environ = await readFile(`/proc/${String(pid)}/environ`, 'utf8');
  const given = Object.fromEntries(
    environ
      .split('\0')
      .filter(Boolean)
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const),
  );
  const children = await Promise.all(
    names.map(async (name) => {
      const readyFile = join(home, `run/${name}.ready.json`);
      await rm(readyFile, { force: true });
      const child = spawn(process.execPath, [MAIN], {
        env: { ...given, KEYMESH_INSTANCE: name, KEYMESH_READY_FILE: readyFile },
        stdio: ['pipe', 'ignore', 'inherit'],
      });
      await untilReady(child, readyFile);
      return child;
    }),
  );
  return {
    stop: async () => {
      await Promise.all(
        children.map(async (child) => {
          const ended = once(child, 'exit');
          child.stdin.end();
          await ended;
        }),
      );
    },
  };
}

async function untilReady(child: ChildProcess, readyFile: string): Promise<void> {
  const giveUpAt = performance.now() + PATIENCE_MS;
  while (performance.now() < giveUpAt) {
    if (child.exitCode !== null) throw new Error(`a vault ended with ${String(child.exitCode)}`);
    const isReady = await readFile(readyFile).then(
      () => true,
      () => false,
    );
    if (isReady) return;
    await wait(100);
  }
  throw new Error('a vault was not ready within a minute');
}
