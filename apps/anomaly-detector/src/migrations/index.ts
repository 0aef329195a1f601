import type { Migration } from '@keymesh/postgres';
import { CreateAnomalyDetector1795305600000 } from './create-anomaly-detector.js';

/** In order; an applied one is never changed. */
export const MIGRATIONS: readonly Migration[] = [CreateAnomalyDetector1795305600000];
