import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import type { BackupFile } from './contents.js';

/** What makes a mesh itself, in KEYMESH_HOME: what is pinned, the mesh's own keys, and profiles. Everything else is made again. */
const IDENTITY = ['trust.json', 'genesis.json', 'secrets', 'profiles'];
/** Seal channel keys, which are never backed up: new ones are made at the next start. */
const MADE_ANEW = 'state.key';
const MASTER_KEY = 'master.key';

/**
 * The files of KEYMESH_HOME that a backup carries.
 * INVARIANT: nothing that opens the backup goes into it: not `master.key`, no file that a variable of the KMS names (passphrase, shares).
 * @param home undefined where the mesh's files are kept by somebody else (Kubernetes secrets): then none.
 * @param rootFiles paths that belong to the KMS.
 */
export function* homeFiles(home: string | undefined, rootFiles: readonly string[]): Generator<BackupFile> {
  if (home === undefined) return;
  const excluded = new Set(rootFiles.flatMap(realPathOf));
  for (const entry of IDENTITY.flatMap((name) => filesIn(join(home, name)))) {
    const name = entry.split(sep).at(-1) ?? '';
    if (name === MASTER_KEY || name === MADE_ANEW || name.endsWith('.unfinished')) continue;
    if (realPathOf(entry).some((path) => excluded.has(path))) continue;
    const content = new Uint8Array(readFileSync(entry));
    yield { path: relative(home, entry).split(sep).join('/'), content };
    content.fill(0); // it may be a seed, and has been taken over when we get here again
  }
}

function filesIn(path: string): string[] {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return [];
  if (found.isFile()) return [path];
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isFile() || entry.isDirectory())
    .map(({ name }) => name)
    .sort()
    .flatMap((name) => filesIn(join(path, name)));
}

function realPathOf(path: string): string[] {
  try {
    return [realpathSync(path)];
  } catch {
    return []; // not there: nothing to keep out
  }
}
