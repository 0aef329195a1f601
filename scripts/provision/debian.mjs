import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run, which } from './run.mjs';

/** Whether Debian's packages can be unpacked here. */
export const hasDebian = () => which('apt-get') !== undefined && which('dpkg-deb') !== undefined;

/**
 * Unpacks one Debian package into a folder. Nothing is installed, no service is started, and root is not needed.
 * @param {string} name e.g. `prometheus`
 * @param {string} target the folder, made anew: package paths start in it (`usr/bin/…`).
 * @param {(note: string) => void} note
 */
export async function unpackDebianPackage(name, target, note) {
  await mkdir(join(target, '..'), { recursive: true });
  const folder = await mkdtemp(join(target, '..', 'getting-'));
  try {
    await downloadPackage(name, folder, note);
    const file = (await readdir(folder)).find((one) => one.endsWith('.deb'));
    await run('dpkg-deb', ['-x', join(folder, file), join(folder, 'root')]);
    await rm(target, { recursive: true, force: true });
    await rename(join(folder, 'root'), target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function downloadPackage(name, folder, note) {
  try {
    await run('apt-get', ['download', name], { cwd: folder });
  } catch {
    note('updating package lists');
    // Lists of its own, so that it works without root and leaves the machine's as they are.
    const state = join(folder, 'apt');
    await mkdir(join(state, 'lists', 'partial'), { recursive: true });
    const own = [
      `Dir::State::Lists=${join(state, 'lists')}`,
      `Dir::Cache=${state}`,
      'APT::Sandbox::User=',
      'Debug::NoLocking=1',
    ].flatMap((option) => ['-o', option]);
    await run('apt-get', ['update', ...own], { cwd: folder });
    await run('apt-get', ['download', name, ...own], { cwd: folder });
  }
}
