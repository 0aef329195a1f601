import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { ERROR_CATALOGUE, failure, SERVICES, type ErrorCode, type ServiceName } from '@keymesh/contracts';
import type { LauncherConfig } from './config.js';
import { lastWords } from './last-words.js';

/** A built program of a service. @throws UNAVAILABLE when it is not built. */
export function programOf(
  config: LauncherConfig,
  service: ServiceName,
  program: 'main' | 'migrate' | 'init' | 'fsck' | 'backup' | 'restore' | 'continue',
): string {
  const path = join(config.root, 'apps', service, 'dist', `${program}.js`);
  if (existsSync(path)) return path;
  throw failure('UNAVAILABLE', {
    publicMessage: `${service} is not built. Run \`npm run build\`, then start again.`,
  });
}

/**
 * Runs a one-shot program of a service to its end.
 * @returns its standard output.
 * @throws UNAVAILABLE with what it said last.
 */
export function runTask(
  path: string,
  env: Record<string, string>,
  what: string,
  args: readonly string[] = [],
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [path, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr
      .setEncoding('utf8')
      .on('data', (text: string) => (stderr = `${stderr}${text}`.slice(-8_192)));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve(stdout);
      else
        reject(
          failure('UNAVAILABLE', {
            publicMessage: `${what} failed (${String(signal ?? code)}): ${lastWords(stderr)}`,
          }),
        );
    });
  });
}

/** An option of a task. In one word: a value of its own word that begins with a dash (one key in 64 does) would be taken for an option. */
export const option = (name: string, value: string): string => `--${name}=${value}`;

/**
 * As {@link runTask}, for a task that prints one JSON value and whose failure is for the person who asked.
 * @throws the failure that the task told, by its code.
 */
export async function askTask(
  path: string,
  env: Record<string, string>,
  what: string,
  args: readonly string[],
): Promise<unknown> {
  try {
    const output = await runTask(path, env, what, args);
    return JSON.parse(output.trim().split('\n').at(-1) ?? '') as unknown;
  } catch (error) {
    const line = /: (\{.*\})$/s.exec((error as Error).message)?.[1];
    const told = line === undefined ? undefined : (JSON.parse(line) as { code?: string; msg?: string });
    if (told?.code === undefined || !Object.hasOwn(ERROR_CATALOGUE, told.code)) throw error;
    throw failure(told.code as ErrorCode, told.msg === undefined ? {} : { publicMessage: told.msg });
  }
}

/** Brings all schemas up to date at the same time; each has its own lock and role. */
export async function migrateAll(config: LauncherConfig, env: Record<string, string>): Promise<void> {
  await Promise.all(
    SERVICES.map((service) =>
      runTask(programOf(config, service, 'migrate'), env, `Migrating the schema of ${service}`),
    ),
  );
}

/** Hash over every built migration and what runs them: when it has not changed since the last start, nothing has to run. */
export function migrationsHash(config: LauncherConfig): string {
  const hash = createHash('sha256');
  const folders = [
    ...SERVICES.flatMap((service) => [
      join(config.root, 'apps', service, 'dist', 'migrations'),
      join(config.root, 'apps', service, 'dist', 'migrate.js'),
    ]),
    join(config.root, 'libs', 'postgres', 'dist'),
  ];
  for (const path of folders.flatMap(scriptsIn).sort())
    hash.update(path).update('\0').update(readFileSync(path));
  return hash.digest('hex');
}

function scriptsIn(path: string): string[] {
  if (!existsSync(path)) return [];
  if (path.endsWith('.js')) return [path];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.js'))
    .map((entry) => join(entry.parentPath, entry.name));
}
