import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { failure } from '@keymesh/contracts';
import { makeFolderFor } from './cluster.js';
import type { SystemUser } from './system-user.js';

/** Where root keeps what the server's user must reach: data folders of each KEYMESH_HOME, copied binaries. */
export const SYSTEM_FOLDER = '/var/lib/keymesh';

/**
 * The folder that holds the cluster (in `data`). As an ordinary user: `link` itself. As root, whose KEYMESH_HOME (0700) the
 * server's user cannot enter: a folder of its own under /var/lib/keymesh, to which `link` points.
 * @param link `KEYMESH_HOME/postgres`
 * @throws UNAVAILABLE when the folder cannot be made.
 */
export function provideDataFolder(
  link: string,
  user: SystemUser | undefined,
  systemFolder = SYSTEM_FOLDER,
  onNotice: (text: string) => void = () => undefined,
): string {
  if (user === undefined) {
    mkdirSync(link, { recursive: true, mode: 0o700 });
    return realpathSync(link);
  }
  const stat = lstatSync(link, { throwIfNoEntry: false });
  if (stat?.isSymbolicLink() === true) {
    const target = readlinkSync(link);
    makeReachable(dirname(target));
    makeFolderFor(user, target);
    return target;
  }
  if (stat !== undefined) {
    throw failure('UNAVAILABLE', {
      publicMessage: `${link} was made by an ordinary user, and Postgres does not run as root. Start as that user, or use another KEYMESH_HOME.`,
    });
  }
  const name = createHash('sha256')
    .update(join(realpathSync(dirname(link)), 'postgres'))
    .digest('hex')
    .slice(0, 16);
  const target = join(systemFolder, name);
  try {
    makeReachable(systemFolder);
    moveAside(target, onNotice);
    makeFolderFor(user, target);
    symlinkSync(target, link);
  } catch (cause) {
    throw failure('UNAVAILABLE', {
      publicMessage: `The folder ${target} for Postgres's data cannot be made. As root, Postgres runs as user ${user.name} and needs a folder that this user can reach; or start as an ordinary user.`,
      cause,
    });
  }
  return target;
}

// mkdir's mode is cut by the umask.
function makeReachable(folder: string): void {
  if (existsSync(folder)) return;
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o755);
}

// A folder without a link to it belonged to a KEYMESH_HOME that was removed, or is not mounted just now. Never delete it.
function moveAside(target: string, onNotice: (text: string) => void): void {
  if (!existsSync(join(target, 'data'))) return;
  const aside = `${target}.of-an-earlier-home-${String(Date.now())}`;
  renameSync(target, aside);
  onNotice(`${target} held the data of an earlier KEYMESH_HOME at this place; it was moved to ${aside}`);
}
