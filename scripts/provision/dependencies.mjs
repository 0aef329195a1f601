import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, delimiter, join } from 'node:path';
import { SayError, step } from './progress.mjs';
import { isInside, run, which } from './run.mjs';

const LEAST_NODE = 20;

/** The Node that everything after the installation runs on, whatever the host has. */
export const projectNode = (root) => join(root, 'node_modules', 'node', 'bin', 'node');

/** @throws {SayError} unless the host has Node ≥ 20 and npm. */
export function checkHost() {
  const [major] = process.versions.node.split('.').map(Number);
  if (major < LEAST_NODE) {
    throw new SayError(
      `Keymesh needs Node ${LEAST_NODE} or newer; this is ${process.version}. See https://nodejs.org.`,
    );
  }
  if (findNpm() === undefined)
    throw new SayError('Keymesh needs npm, which comes with Node. See https://nodejs.org.');
}

/**
 * Installs what the lock file says, unless it is installed already.
 * @param {{ root: string }} options
 * @returns {Promise<{ installed: boolean }>}
 */
export async function ensureDependencies({ root }) {
  const lockText = readFileSync(join(root, 'package-lock.json'), 'utf8');
  const stamp = join(root, 'node_modules', '.keymesh-lock');
  const hash = createHash('sha256').update(lockText).digest('hex');
  const complete = existsSync(projectNode(root));
  if (complete && readIfThere(stamp) === hash) return { installed: false };
  if (complete && isInstalled(root, JSON.parse(lockText))) {
    writeFileSync(stamp, hash);
    return { installed: false };
  }
  await step('Installing dependencies (a few minutes the first time)', (note) => installWithNpm(root, note));
  if (!existsSync(projectNode(root))) {
    throw new SayError(
      'npm installed no Node for this platform: its install scripts may be turned off (npm config get ignore-scripts).',
    );
  }
  writeFileSync(stamp, hash);
  return { installed: true };
}

async function installWithNpm(root, note) {
  const { command, args, env } = findNpm(root);
  await run(
    command,
    [...args, 'ci', '--no-audit', '--no-fund', '--ignore-scripts=false', '--loglevel=http'],
    {
      cwd: root,
      env,
      onLine: (line) => {
        const fetched = /fetch GET \d+ (\S+)/.exec(line);
        note(
          fetched === null
            ? line.slice(0, 60)
            : `fetching ${fetched[1].split('/').slice(3).join('/').slice(0, 50)}`,
        );
      },
    },
  );
}

/**
 * npm as started by the host's own Node: `npm ci` deletes node_modules, and with it the Node that runs this script under `npm start`.
 * @returns {{ command: string, args: string[], env: NodeJS.ProcessEnv } | undefined}
 */
function findNpm(root) {
  const outside = (path) => root === undefined || !isInside(path, join(root, 'node_modules'));
  const node = which('node', outside) ?? process.execPath;
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}` };
  for (const name of Object.keys(env))
    if (/^npm_(config_(?!registry|userconfig|globalconfig|cafile|cache)|lifecycle|package)/.test(name))
      delete env[name];
  const script = process.env.npm_execpath;
  if (script?.endsWith('.js') && existsSync(script)) return { command: node, args: [script], env };
  const npm = which('npm', outside);
  return npm === undefined ? undefined : { command: npm, args: [], env };
}

/** Whether node_modules holds the lock's versions already, e.g. after somebody ran `npm install` or `npm ci` by hand. */
function isInstalled(root, lock) {
  const text = readIfThere(join(root, 'node_modules', '.package-lock.json'));
  if (text === undefined) return false; // npm writes it last: an installation that was cut off has none
  const there = JSON.parse(text).packages;
  return Object.entries(lock.packages).every(([path, wanted]) => {
    if (path === '' || wanted.link === true || !path.includes('node_modules/')) return true;
    const found = there[path];
    if (found === undefined)
      return wanted.optional === true || wanted.devOptional === true || wanted.peer === true;
    return (
      found.version === wanted.version &&
      (wanted.integrity === undefined || found.integrity === wanted.integrity)
    );
  });
}

function readIfThere(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
