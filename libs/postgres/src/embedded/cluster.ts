import { spawn } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { failure } from '@keymesh/contracts';
import type { Secret } from '@keymesh/kernel';
import type { PostgresBinaries } from './binaries.js';
import type { SystemUser } from './system-user.js';

/** The superuser of an embedded cluster. Used by the launcher only, to make roles. */
export const SUPERUSER = 'keymesh_admin';

export interface ClusterOptions {
  readonly binaries: PostgresBinaries;
  readonly user: SystemUser | undefined;
  /** Will hold the cluster; its parent folder exists and belongs to `user`. */
  readonly dataDir: string;
  readonly superuserPassword: Secret;
  /** Only for clusters that may be lost at a power cut (tests). */
  readonly withoutSync?: boolean;
}

/** Options for a child process that runs as `user`, in a folder it can reach, with nothing of our environment. */
export const spawnAs = (user: SystemUser | undefined, cwd: string) => ({
  cwd,
  env: { LC_ALL: 'C', TZ: 'UTC' },
  ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
});

/** Makes a folder of mode 0700 that belongs to `user`. */
export function makeFolderFor(user: SystemUser | undefined, folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
}

/**
 * Makes the cluster unless it is there. Crash-safe: it is made beside its place and moved there whole.
 * @throws UNAVAILABLE with the last lines of initdb.
 */
export async function ensureCluster(options: ClusterOptions): Promise<{ readonly created: boolean }> {
  const { binaries, user, dataDir } = options;
  if (existsSync(`${dataDir}/PG_VERSION`)) return { created: false };
  const parent = dirname(dataDir);
  const unfinished = `${dataDir}.unfinished`;
  const passwordFile = `${dataDir}.password`;
  rmSync(unfinished, { recursive: true, force: true });
  try {
    // EXPOSE: initdb reads the password from a file of mode 0600 that lives as long as initdb does; never from its arguments.
    writeFileSync(passwordFile, options.superuserPassword.expose(), { mode: 0o600 });
    if (user !== undefined) chownSync(passwordFile, user.uid, user.gid);
    const { code, output } = await run(
      binaries.initdb,
      [
        ...['-D', unfinished, `--username=${SUPERUSER}`, `--pwfile=${passwordFile}`, '--auth=scram-sha-256'],
        ...['--encoding=UTF8', '--locale-provider=builtin', '--locale=C', '--builtin-locale=C.UTF-8'],
        '--data-checksums',
        ...(options.withoutSync === true ? ['--no-sync'] : []),
      ],
      spawnAs(user, parent),
    );
    if (code !== 0) {
      throw failure('UNAVAILABLE', {
        publicMessage: `The embedded Postgres could not be initialised: ${lastLines(output)}`,
      });
    }
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(unfinished, dataDir);
  return { created: true };
}

function run(
  command: string,
  args: readonly string[],
  options: ReturnType<typeof spawnAs>,
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ code, output: Buffer.concat(chunks).toString('utf8') });
    });
  });
}

/** The last lines of a server's output, for an error message. */
export const lastLines = (output: string, count = 3): string =>
  output.trim().split('\n').slice(-count).join(' | ');
