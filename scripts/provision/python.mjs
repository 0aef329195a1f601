import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SayError, step } from './progress.mjs';
import { run, which } from './run.mjs';

const REQUIREMENTS = join(import.meta.dirname, 'python-requirements.txt');
const LEAST = [3, 10];

/**
 * Provides a Python with the project's pinned packages: KEYMESH_PYTHON, or a virtual environment in the project's cache, made anew when the
 * list changes. Nothing is installed into the machine's own Python.
 * @param {{ root: string, packages?: readonly string[] }} options `packages`: pinned (`name==version`); default: those of python-requirements.txt.
 * @returns {Promise<string>} path of the interpreter; its `bin` folder holds what the packages bring (`moto_server`).
 */
export async function ensurePythonVenv({ root, packages }) {
  const given = process.env.KEYMESH_PYTHON;
  if (given !== undefined && given !== '') return given;
  const folder = join(root, '.keymesh-tools', 'venv');
  const python = join(folder, 'bin', 'python');
  const marker = join(folder, 'packages.txt');
  const wanted = (packages ?? pinsOf(await readFile(REQUIREMENTS, 'utf8'))).join('\n');
  if (existsSync(python) && (await contentOf(marker)) === wanted) return python;
  return step('Getting Python packages for tests', async (note) => {
    const host = await findPython();
    await rm(folder, { recursive: true, force: true });
    await mkdir(join(root, '.keymesh-tools'), { recursive: true });
    note('making the environment');
    await makeEnvironment(host, folder);
    note('installing');
    await run(
      python,
      ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...wanted.split('\n')],
      {
        onLine: (line) => note(line.slice(0, 60)),
      },
    );
    // Last: an environment that was left half made is made again.
    await writeFile(marker, wanted);
    return python;
  });
}

const pinsOf = (text) =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));

const contentOf = (path) => readFile(path, 'utf8').catch(() => undefined);

/** A Python that is new enough; as root on Debian it may be installed. */
async function findPython() {
  for (const name of ['python3', 'python']) {
    const path = which(name);
    if (path !== undefined && (await isNewEnough(path))) return path;
  }
  if (await installFromDebian()) return findPython();
  throw new SayError(
    `Some tests need Python ${LEAST.join('.')} or newer with its venv module. Install it, or set KEYMESH_PYTHON.`,
  );
}

async function isNewEnough(path) {
  try {
    const text = await run(path, ['-c', 'import sys; print(sys.version_info.major, sys.version_info.minor)']);
    const [major, minor] = text.trim().split(' ').map(Number);
    return major > LEAST[0] || (major === LEAST[0] && minor >= LEAST[1]);
  } catch {
    return false;
  }
}

/** Debian splits venv off Python itself. */
async function makeEnvironment(host, folder) {
  const make = () => run(host, ['-m', 'venv', folder]);
  try {
    await make();
  } catch (error) {
    if (!(await installFromDebian())) throw error;
    await rm(folder, { recursive: true, force: true });
    await make();
  }
}

let installed = false;

/** @returns {Promise<boolean>} whether it was installed now: once, as root, where there is apt. */
async function installFromDebian() {
  if (installed || process.getuid?.() !== 0 || which('apt-get') === undefined) return false;
  installed = true;
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await run('apt-get', ['update', '-q'], { env });
  await run('apt-get', ['install', '-y', '-q', '--no-install-recommends', 'python3', 'python3-venv'], {
    env,
  });
  return true;
}
