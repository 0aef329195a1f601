import { spawnSync } from 'node:child_process';

/** As whom a server runs. */
export interface SystemUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

const PATH = '/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin';

const run = (command: string, args: readonly string[]): string | undefined => {
  const done = spawnSync(command, args, { encoding: 'utf8', env: { PATH, LC_ALL: 'C' } });
  return done.status === 0 ? done.stdout.trim() : undefined;
};

/** @returns the user of this name, by whatever directory the system uses, unless it is root. */
export function findSystemUser(name: string): SystemUser | undefined {
  const [uid, gid] = [run('id', ['-u', name]), run('id', ['-g', name])].map(Number);
  if (uid === undefined || gid === undefined || !Number.isSafeInteger(uid) || !Number.isSafeInteger(gid))
    return undefined;
  return uid <= 0 ? undefined : { name, uid, gid };
}

/**
 * Postgres refuses to run as root. As root: the user `postgres`, else `keymesh` (made when missing), else `nobody`.
 * @returns undefined when we are no root, so that servers run as ourselves.
 * @throws Error when root has no other user to be.
 */
export function chooseServerUser(): SystemUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const existing = findSystemUser('postgres') ?? findSystemUser('keymesh');
  if (existing !== undefined) return existing;
  run('useradd', [
    '--system',
    '--no-create-home',
    '--home-dir',
    '/nonexistent',
    '--shell',
    '/usr/sbin/nologin',
    'keymesh',
  ]);
  const user = findSystemUser('keymesh') ?? findSystemUser('nobody');
  if (user === undefined) {
    throw new Error(
      'Postgres does not run as root and no other user could be made: run `useradd --system keymesh`',
    );
  }
  return user;
}
