import { SECOND } from '@keymesh/kernel';
import {
  commonVariables,
  databaseConfig,
  integerVariable,
  parseConfig,
  toCommonConfig,
  type CommonConfig,
} from '@keymesh/service-kit/task';
import { z } from 'zod';

/** What the rotation service knows from its environment. Times in milliseconds. */
export interface RotationConfig extends CommonConfig {
  readonly leaseMs: number;
  readonly pollMs: number;
  readonly schedulePollMs: number;
  readonly concurrency: number;
  readonly maxAttempts: number;
  readonly firstRetryMs: number;
}

const number = (fallback: number, minimum: number, maximum: number, description: string) =>
  integerVariable(minimum, maximum).prefault(String(fallback)).describe(description);

const rotationConfig = z
  .object({
    ...commonVariables,
    KEYMESH_ROTATION_LEASE_SECONDS: number(
      30,
      2,
      3_600,
      'How long a killed instance keeps its rotations from the others. More than twice what a step takes.',
    ),
    KEYMESH_ROTATION_POLL_MS: number(1_000, 50, 60_000, 'How often due rotations are looked for.'),
    KEYMESH_ROTATION_SCHEDULE_POLL_SECONDS: number(
      30,
      1,
      3_600,
      'How often the vault is asked what is to be rotated by schedule; jittered by a fifth.',
    ),
    KEYMESH_ROTATION_CONCURRENCY: number(4, 1, 64, 'Rotations at the same time in one instance.'),
    KEYMESH_ROTATION_MAX_ATTEMPTS: number(
      5,
      1,
      100,
      'Attempts of a step before the rotation is rolled back.',
    ),
    KEYMESH_ROTATION_FIRST_RETRY_MS: number(
      1_000,
      10,
      60_000,
      'Wait after the first failed attempt; then twice as long each time, up to a minute.',
    ),
  })
  .transform((variables): RotationConfig => ({
    ...toCommonConfig(variables),
    leaseMs: variables.KEYMESH_ROTATION_LEASE_SECONDS * SECOND,
    pollMs: variables.KEYMESH_ROTATION_POLL_MS,
    schedulePollMs: variables.KEYMESH_ROTATION_SCHEDULE_POLL_SECONDS * SECOND,
    concurrency: variables.KEYMESH_ROTATION_CONCURRENCY,
    maxAttempts: variables.KEYMESH_ROTATION_MAX_ATTEMPTS,
    firstRetryMs: variables.KEYMESH_ROTATION_FIRST_RETRY_MS,
  }));

/** The only reader of the environment. @throws CONFIG_INVALID */
export const readConfig = (): RotationConfig => parseConfig(rotationConfig, process.env);

/** For migrate.ts: the database as the deploy role. @throws CONFIG_INVALID */
export const readDatabaseConfig = () => parseConfig(databaseConfig, process.env);
