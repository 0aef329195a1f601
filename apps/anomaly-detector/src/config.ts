import {
  commonVariables,
  databaseConfig,
  integerVariable,
  parseConfig,
  toCommonConfig,
  type CommonConfig,
} from '@keymesh/service-kit/task';
import { z } from 'zod';
import type { DetectorSettings } from './domain/scoring.js';

/** What the detector knows from its environment. */
export interface DetectorConfig extends CommonConfig {
  readonly detector: DetectorSettings;
  /** How long a principal is locked after a burst of denials, seconds. */
  readonly lockSeconds: number;
}

const number = (fallback: number, minimum: number, maximum: number, description: string) =>
  integerVariable(minimum, maximum).prefault(String(fallback)).describe(description);

const detectorConfig = z
  .object({
    ...commonVariables,
    KEYMESH_DETECTOR_BASELINE_WEIGHT_PERCENT: number(
      10,
      1,
      100,
      'Weight of the newest minute in a baseline, percent.',
    ),
    KEYMESH_DETECTOR_LEARNING_MINUTES: number(
      60,
      0,
      525_600,
      "Minutes after a principal's first event in which its first reads of credentials are expected.",
    ),
    KEYMESH_DETECTOR_BASELINE_MINUTES: number(
      10,
      1,
      10_000,
      'Active minutes that a baseline needs before rates are judged by it.',
    ),
    KEYMESH_DETECTOR_RATE_DEVIATIONS: number(
      6,
      1,
      1_000,
      'Deviations above its own mean from which a rate is unusual.',
    ),
    KEYMESH_DETECTOR_RATE_MIN_EVENTS: number(
      60,
      1,
      1_000_000,
      'Events in a minute below which no rate is unusual.',
    ),
    KEYMESH_DETECTOR_DEVIATION_FLOOR_EVENTS: number(
      5,
      1,
      1_000_000,
      'Least deviation, events per minute, for very regular principals.',
    ),
    KEYMESH_DETECTOR_BURST_DENIALS: number(10, 2, 1_000_000, 'Denials within the window that are a burst.'),
    KEYMESH_DETECTOR_BURST_WINDOW_SECONDS: number(60, 1, 3_600, 'Window of the burst of denials.'),
    KEYMESH_DETECTOR_MERGE_SECONDS: number(
      300,
      1,
      86_400,
      'Signals of one kind and principal within this time are one finding.',
    ),
    KEYMESH_DETECTOR_LOCK_SECONDS: number(
      300,
      1,
      86_400,
      'How long a principal is locked after a burst of denials.',
    ),
  })
  .transform((variables): DetectorConfig => ({
    ...toCommonConfig(variables),
    detector: {
      alpha: variables.KEYMESH_DETECTOR_BASELINE_WEIGHT_PERCENT / 100,
      learningMinutes: variables.KEYMESH_DETECTOR_LEARNING_MINUTES,
      baselineMinutes: variables.KEYMESH_DETECTOR_BASELINE_MINUTES,
      rateThreshold: variables.KEYMESH_DETECTOR_RATE_DEVIATIONS,
      rateMinEvents: variables.KEYMESH_DETECTOR_RATE_MIN_EVENTS,
      deviationFloor: variables.KEYMESH_DETECTOR_DEVIATION_FLOOR_EVENTS,
      burstDenials: variables.KEYMESH_DETECTOR_BURST_DENIALS,
      burstWindowSeconds: variables.KEYMESH_DETECTOR_BURST_WINDOW_SECONDS,
      mergeSeconds: variables.KEYMESH_DETECTOR_MERGE_SECONDS,
    },
    lockSeconds: variables.KEYMESH_DETECTOR_LOCK_SECONDS,
  }));

/** The only reader of the environment. @throws CONFIG_INVALID */
export const readConfig = (): DetectorConfig => parseConfig(detectorConfig, process.env);

/** For migrate.ts: the database as the deploy role. @throws CONFIG_INVALID */
export const readDatabaseConfig = () => parseConfig(databaseConfig, process.env);
