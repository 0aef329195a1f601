import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SayError, step } from './progress.mjs';
import { run, which } from './run.mjs';

/**
 * Provides Prometheus for the test that runs the dashboard's queries: KEYMESH_PROMETHEUS, PATH, the project's cache, or Debian's package, unpacked
 * into the cache (nothing is installed, no service is started).
 * @param {{ root: string }} options
 * @returns {Promise<string>} path of the binary.
 */
export async function providePrometheus({ root }) {
  const given = process.env.KEYMESH_PROMETHEUS;
  if (given !== undefined && given !== '') return given;
  const installed = which('prometheus');
  if (installed !== undefined) return installed;
  const tools = join(root, '.keymesh-tools');
  const binary = join(tools, 'prometheus', 'usr', 'bin', 'prometheus');
  if (existsSync(binary)) return binary;
  if (which('apt-get') === undefined || which('dpkg-deb') === undefined)
    throw new SayError(
      'The dashboard test needs Prometheus. Install it (https://prometheus.io/download) and put it into PATH.',
    );
  return step("Getting Prometheus (Debian's package)", async (note) => {
    await mkdir(tools, { recursive: true });
    const folder = await mkdtemp(join(tools, 'getting-'));
    try {
      await downloadPackage(folder, note);
      const [file] = (await readdir(folder)).filter((name) => name.endsWith('.deb'));
      await run('dpkg-deb', ['-x', join(folder, file), join(folder, 'root')]);
      await rm(join(tools, 'prometheus'), { recursive: true, force: true });
      await rename(join(folder, 'root'), join(tools, 'prometheus'));
      return binary;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
}

async function downloadPackage(folder, note) {
  const download = () => run('apt-get', ['download', 'prometheus'], { cwd: folder });
  try {
    await download();
  } catch {
    note('updating package lists');
    // Lists of its own, so that it works without root and leaves the machine's as they are.
    const state = join(folder, 'apt');
    await mkdir(join(state, 'lists', 'partial'), { recursive: true });
    const own = [
      '-o',
      `Dir::State::Lists=${join(state, 'lists')}`,
      '-o',
      `Dir::Cache=${state}`,
      '-o',
      'APT::Sandbox::User=',
      '-o',
      'Debug::NoLocking=1',
    ];
    await run('apt-get', ['update', ...own], { cwd: folder });
    await run('apt-get', ['download', 'prometheus', ...own], { cwd: folder });
  }
}
