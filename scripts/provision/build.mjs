import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectNode } from './dependencies.mjs';
import { step } from './progress.mjs';
import { run } from './run.mjs';

/** How the compiler is started. */
export const compiler = (root) => ({
  command: projectNode(root),
  args: [join(root, 'node_modules', 'typescript7', 'bin', 'tsc'), '-b', join(root, 'tsconfig.build.json')],
});

/**
 * Compiles what changed since the last time. When no source has changed, the compiler is not even started.
 * @param {{ root: string, force?: boolean }} options
 * @returns {Promise<{ built: boolean }>}
 */
export async function ensureBuild({ root, force = false }) {
  const stamp = join(root, 'node_modules', '.keymesh-build');
  const state = stateOfSources(root);
  if (!force && existsSync(stamp) && readFileSync(stamp, 'utf8') === state) return { built: false };
  const { command, args } = compiler(root);
  await step('Building', () => run(command, force ? [...args, '--force'] : args, { cwd: root }));
  mkdirSync(join(root, 'node_modules'), { recursive: true });
  writeFileSync(stamp, state);
  return { built: true };
}

/** A hash over path, size and time of every source and compiler setting, and over which projects have output. */
function stateOfSources(root) {
  const hash = createHash('sha256');
  const add = (path) => {
    const { mtimeMs, size } = statSync(path);
    hash.update(`${path}\0${mtimeMs}\0${size}\n`);
  };
  for (const file of ['package-lock.json', 'tsconfig.base.json', 'tsconfig.build.json'])
    add(join(root, file));
  for (const room of ['apps', 'libs']) {
    for (const project of readdirSync(join(root, room))) {
      const folder = join(root, room, project);
      if (!existsSync(join(folder, 'tsconfig.lib.json'))) continue;
      add(join(folder, 'tsconfig.lib.json'));
      hash.update(existsSync(join(folder, 'dist')) ? 'dist' : 'none');
      for (const source of sourcesIn(join(folder, 'src'))) add(source);
    }
  }
  return hash.digest('hex');
}

function sourcesIn(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.spec.ts'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}
