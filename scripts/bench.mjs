// `npm run bench`: builds, provides nats-server, runs the benchmark and writes docs/benchmarks.md.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const node = join(root, 'node_modules/node/bin/node');
const run = (args) => {
  const { status } = spawnSync(node, args, { cwd: root, stdio: 'inherit', env: process.env });
  if (status !== 0) process.exit(status ?? 1);
};
run(['scripts/build.mjs']);
run(['apps/e2e/dist/bench/main.js', ...process.argv.slice(2)]);
