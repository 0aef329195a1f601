import { toPublicError } from '@keymesh/contracts';
import { signingKeyOf, systemClock } from '@keymesh/kernel';
import type { INestApplication } from '@nestjs/common';
import type { CommonConfig } from '../config/common-config.js';
import { makeHealthRegistry } from '../health/health-registry.js';
import { makeLogger, type Logger } from '../telemetry/logger.js';
import { makeMetrics } from '../telemetry/metrics.js';
import { startTracing } from '../telemetry/tracing.js';
import type { ServiceKit } from '../tokens.js';
import { buildKit } from './build-kit.js';
import { exitOnUncaught, exitWhenAsked } from './process-events.js';
import { removeReadyFile, writeReadyFile } from './ready-file.js';
import type { ServiceDefinition } from './service-definition.js';
import { makeShutdown, type Shutdown } from './shutdown.js';
import { startApplication } from './start-application.js';

export interface RunningService<Config extends CommonConfig = CommonConfig> {
  readonly kit: ServiceKit<Config>;
  readonly app: INestApplication;
  readonly httpPort: number;
  /** Resolves once every check has been well for the first time. */
  readonly ready: Promise<void>;
  stop(): Promise<void>;
}

const READY_POLL_MS = 100;

/**
 * Runs a service until it is told to stop: `main.ts` is a call of this. Boots in order (configuration, tracing, Postgres, NATS, trust root, policy,
 * journal, channel keys, Nest, ready), stops in reverse on SIGTERM, SIGINT or closed standard input, within seconds. What cannot be
 * caught is logged by code and ends the process with exit code 1; a configuration that is not valid, with 2.
 */
export async function runService<Config extends CommonConfig>(
  definition: ServiceDefinition<Config>,
): Promise<void> {
  const early = makeLogger({ service: definition.name, instance: String(process.pid), level: 'info' });
  exitOnUncaught(early);
  try {
    const config = definition.config();
    const logger = makeLogger({
      service: definition.name,
      instance: config.instance,
      level: config.logLevel,
    });
    const shutdown = makeShutdown(logger);
    exitWhenAsked(shutdown, config.exitWithStdin);
    await startService(definition, { config, logger, shutdown });
  } catch (error) {
    const { code, message } = toPublicError(error);
    early.fatal({ err: error, code }, message);
    process.exit(code === 'CONFIG_INVALID' ? 2 : 1);
  }
}

/**
 * As {@link runService}, in this process and without its signals: for specs that run a service beside others.
 * Resolves when it listens; `ready` tells the rest.
 */
export async function startService<Config extends CommonConfig>(
  definition: ServiceDefinition<Config>,
  given: { readonly config?: Config; readonly logger?: Logger; readonly shutdown?: Shutdown } = {},
): Promise<RunningService<Config>> {
  const config = given.config ?? definition.config();
  const { name } = definition;
  const { instance } = config;
  const logger = given.logger ?? makeLogger({ service: name, instance, level: config.logLevel });
  const shutdown = given.shutdown ?? makeShutdown(logger);
  const tracing = startTracing({ service: name, instance, config: config.telemetry });
  shutdown.add('tracing', () => tracing.shutdown());
  try {
    const kit = await buildKit(
      {
        name,
        instance,
        config,
        clock: systemClock,
        logger,
        metrics: makeMetrics(name),
        health: makeHealthRegistry(),
        signingKey: signingKeyOf(config.signingSeed),
        onShutdown: shutdown.add,
      },
      definition,
    );
    // Before it listens: sessions of keys that other instances have would be refused until they are handed over.
    await kit.channelKeys.start();
    const { app, httpPort } = await startApplication(kit, definition);
    const ready = becomeReady(kit, httpPort, shutdown);
    return { kit, app, httpPort, ready, stop: () => shutdown.run('stop') };
  } catch (error) {
    await shutdown.run('start failed');
    throw error;
  }
}

async function becomeReady(kit: ServiceKit, httpPort: number, shutdown: Shutdown): Promise<void> {
  const { logger, health, config } = kit;
  const stopping = new AbortController();
  shutdown.add('readiness', () => stopping.abort());
  while ((await health.report()).status === 'down') {
    if (stopping.signal.aborted) return;
    await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
  }
  const { readyFile } = config;
  if (readyFile !== undefined) {
    shutdown.add('ready file', () => removeReadyFile(readyFile));
    await writeReadyFile(readyFile, { pid: process.pid, httpPort });
  }
  logger.info({ httpPort }, 'ready');
}
