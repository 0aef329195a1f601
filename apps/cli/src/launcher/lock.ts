import { linkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { failure } from '@keymesh/contracts';
import { identifyProcess, isSameProcess, type ProcessIdentity } from '@keymesh/postgres/server';
import { readJson } from './files.js';

/**
 * Makes sure that we are the only launcher of a home. A lock left by a launcher that was killed is taken over.
 * @returns gives the lock back.
 * @throws UNAVAILABLE when another launcher runs on it.
 */
export function takeLock(path: string): () => void {
  const us = identifyProcess(process.pid);
  if (us === undefined) throw new Error('this process cannot be identified');
  const ours = `${path}.${String(us.pid)}`;
  writeFileSync(ours, JSON.stringify(us), { mode: 0o600 });
  try {
    // A link appears whole and fails when there is one: no reader ever sees half a lock.
    for (let attempt = 0; !tryLink(ours, path); attempt += 1) {
      const holder = readJson(path) as ProcessIdentity | undefined;
      if (holder !== undefined && isSameProcess(holder)) throw alreadyRuns(holder);
      if (attempt > 3) throw new Error(`the lock ${path} cannot be taken over`);
      removeStale(path, `${ours}.stale`);
    }
  } finally {
    rmSync(ours, { force: true });
  }
  return () => rmSync(path, { force: true });
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

// Between reading a stale lock and removing it another launcher may have taken it over: what was removed is looked at again.
function removeStale(path: string, aside: string): void {
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const removed = readJson(aside) as ProcessIdentity | undefined;
  if (removed !== undefined && isSameProcess(removed)) {
    tryLink(aside, path);
    rmSync(aside, { force: true });
    throw alreadyRuns(removed);
  }
  rmSync(aside, { force: true });
}

const alreadyRuns = (holder: ProcessIdentity) =>
  failure('UNAVAILABLE', {
    publicMessage: `Keymesh already runs on this KEYMESH_HOME (process ${String(holder.pid)}). Use it, stop it, or set another KEYMESH_HOME.`,
    retryable: false,
  });
