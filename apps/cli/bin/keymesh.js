#!/usr/bin/env node
// Committed, not built: npm links a bin only when its file is there at installation.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const built = join(root, 'apps', 'cli', 'dist', 'main.js');
const projectNode = join(root, 'node_modules', 'node', 'bin', 'node');
const [major] = process.versions.node.split('.').map(Number);
const args = process.argv.slice(2);

if (!existsSync(built)) {
  process.stderr.write(
    'Keymesh is not built yet. Run `npm start` (or `npm run build`) in its folder first.\n',
  );
  process.exitCode = 5;
} else if (major < 22 && existsSync(projectNode)) {
  // The code needs a newer Node than the host's; the project brings one.
  const child = spawn(projectNode, [fileURLToPath(import.meta.url), ...args], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => (process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 1)));
} else {
  const { main } = await import(pathToFileURL(built).href);
  process.exitCode = await main(args);
}
