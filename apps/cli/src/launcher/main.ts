import { toPublicError } from '@keymesh/contracts';
import { KeymeshError } from '@keymesh/kernel';
import { launcherEnvironment, parseLauncherConfig, type LauncherConfig } from './config.js';
import { watchBuilds } from './dev-watch.js';
import { makeMesh, type Mesh } from './mesh.js';

// The embedded mesh: `node apps/cli/dist/launcher/main.js [--dev] [--auto-ports]`. `npm start` runs it after installing and building.

const NEXT_STEPS = (httpPort: number, home: string): string => `
Keymesh is ready

  http://127.0.0.1:${String(httpPort)}/health/ready   state and logs in ${home}

  npx keymesh store alpha-vantage --type api_key --provider alpha_vantage
  npx keymesh retrieve alpha-vantage
  npx keymesh list

Ctrl-C stops it; all data stays.`;

async function run(config: LauncherConfig): Promise<void> {
  const mesh = makeMesh(config);
  stopWhenAsked(mesh);
  try {
    mesh.say.plain(`Keymesh starts in ${config.home}`);
    const { httpPort } = await mesh.start();
    mesh.say.plain(NEXT_STEPS(httpPort, config.home));
    process.send?.({ ready: true });
  } catch (error) {
    const wanted = stopping;
    await mesh.stop();
    if (!wanted) throw error;
    return;
  }
  if (config.dev) {
    watchBuilds(config.root, (services) => {
      mesh.say.step(`changed: restarting ${services.join(', ')}`);
      mesh.restart(services).catch((error: unknown) => mesh.say.warn(toPublicError(error).message));
    });
  }
}

let stopping = false;

// A terminal that was closed must not keep us from stopping in order.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

function stopWhenAsked(mesh: Mesh): void {
  const stop = (code: number): void => {
    if (stopping) return;
    stopping = true;
    mesh.say.plain('Stopping …');
    void mesh.stop().then(
      () => process.exit(code),
      (error: unknown) => {
        tell(error);
        process.exit(1);
      },
    );
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop(0));
  // `npm start` holds a channel to us; when it is killed nobody could stop us any more.
  process.on('disconnect', () => stop(0));
  const onBug = (error: unknown): void => {
    tell(error);
    stop(1);
  };
  process.on('uncaughtException', onBug);
  process.on('unhandledRejection', onBug);
}

/** A known failure in its own sentence; anything else is a bug and shows where. */
function tell(error: unknown): void {
  if (KeymeshError.is(error)) {
    const { code, message } = toPublicError(error);
    process.stderr.write(`\n${code}: ${message}\n`);
    // Details are facts for logs: codes and places, never a value.
    if (Object.keys(error.details).length > 0) process.stderr.write(`${JSON.stringify(error.details)}\n`);
  } else
    process.stderr.write(`\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
}

try {
  await run(parseLauncherConfig(launcherEnvironment(), process.argv.slice(2)));
} catch (error) {
  tell(error);
  // An open channel to `npm start` would keep a process without work alive.
  process.exit(KeymeshError.is(error) && ['CONFIG_INVALID', 'USAGE'].includes(error.code) ? 2 : 1);
}
