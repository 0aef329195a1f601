import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/**
 * The folder with profiles: `home`, else KEYMESH_HOME, else the nearest `.keymesh` from here upwards, else `.keymesh` here.
 */
export function findHome(home?: string, from: string = process.cwd()): string {
  const named = home ?? process.env.KEYMESH_HOME;
  if (named !== undefined && named !== '') return resolve(named);
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    if (existsSync(join(folder, '.keymesh', 'profiles'))) return join(folder, '.keymesh');
    if (dirname(folder) === folder) return resolve(from, '.keymesh');
  }
}

/** Name of the profile: `profile`, else KEYMESH_PROFILE, else `operator`. */
export const profileName = (profile?: string): string => profile ?? process.env.KEYMESH_PROFILE ?? 'operator';
