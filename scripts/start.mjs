// npm start: from a fresh clone to a running mesh. Plain JavaScript that needs nothing installed but Node and npm.
//   --dev          compile and restart on change
//   --demo         walk through a scripted round, then stop
//   --auto-ports   take the next free port where one is busy
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compiler, ensureBuild } from './provision/build.mjs';
import { checkHost, ensureDependencies, projectNode } from './provision/dependencies.mjs';
import { provideNatsServer } from './provision/nats-server.mjs';
import { SayError, sayAndExit } from './provision/progress.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const launcher = join(root, 'apps', 'cli', 'dist', 'launcher', 'main.js');

/** Installs, builds and provides nats-server. @returns the environment for the launcher. */
async function prepare() {
  checkHost();
  await ensureDependencies({ root });
  await ensureBuild({ root });
  if (!existsSync(launcher))
    throw new SayError('The build made no launcher. Run `npm run build -- --force`.');
  return { ...process.env, NATS_SERVER: await provideNatsServer({ root }) };
}

/** Runs the launcher on this terminal. It also stops when this process ends in whatever way (the channel closes). */
function launch(env, args) {
  const child = spawn(projectNode(root), [launcher, ...args], {
    cwd: root,
    env,
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  stopWithNpm(() => child.kill('SIGTERM'));
  return child;
}

// npm hands a signal to the shell that it started us with, and that shell ends without handing it on.
function stopWithNpm(stop) {
  if (process.env.npm_lifecycle_event === undefined) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    stop();
  }, 250);
  timer.unref();
}

/** Compiles on every change; the launcher sees the new output and restarts the services. */
function watchSources() {
  const { command, args } = compiler(root);
  const child = spawn(command, [...args, '--watch', '--preserveWatchOutput'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  process.on('exit', () => child.kill());
}

try {
  const args = process.argv.slice(2);
  const env = await prepare();
  if (args.includes('--dev')) watchSources();
  const child = launch(
    env,
    args.filter((arg) => arg !== '--demo'),
  );
  child.on('error', sayAndExit);
  child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)));
  if (args.includes('--demo')) {
    const { demo } = await import('./demo.mjs');
    child.on('message', (message) => {
      if (message?.ready === true) void demo({ root, env }).then(() => child.kill('SIGTERM'), sayAndExit);
    });
  }
} catch (error) {
  sayAndExit(error);
}
