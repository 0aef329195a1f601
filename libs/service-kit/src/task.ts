// What configuration and one-shot programs (`migrate.ts`, `init.ts`) need. Without Nest and OpenTelemetry's exporters, which take most of
// the time that a process needs to begin: five such programs run in every first start.
export { parseConfig, type Environment } from './config/parse-config.js';
export {
  commonConfig,
  commonVariables,
  databaseConfig,
  databaseVariables,
  toCommonConfig,
  type CommonConfig,
  type TelemetryConfig,
} from './config/common-config.js';
export {
  booleanVariable,
  integerVariable,
  jsonFile,
  secretFile,
  secretKeyFile,
  urlVariable,
} from './config/variables.js';
export { makeLogger, type Logger } from './telemetry/logger.js';
export { describeError } from './telemetry/describe-error.js';
export { runTask } from './boot/run-task.js';
