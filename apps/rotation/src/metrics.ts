import { ROTATION_ADAPTERS } from '@keymesh/contracts';
import type { Metrics } from '@keymesh/service-kit';
import { Counter, Gauge, Histogram } from 'prom-client';

/** The rotation service's own metrics. */
export interface RotationMetrics {
  readonly rotations: Counter<'adapter' | 'outcome'>;
  readonly steps: Histogram<'adapter' | 'step' | 'outcome'>;
  readonly scheduled: Counter;
  readonly sessions: Gauge<'state'>;
}

const STEP_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Registers them in the service's registry. */
export function makeRotationMetrics({ registry }: Metrics): RotationMetrics {
  const registers = [registry];
  const rotations = new Counter({
    name: 'keymesh_rotations_total',
    help: 'Rotations that ended: done or failed.',
    labelNames: ['adapter', 'outcome'],
    registers,
  });
  // From zero, so that a rate has a beginning.
  for (const adapter of ROTATION_ADAPTERS)
    for (const outcome of ['done', 'failed']) rotations.inc({ adapter, outcome }, 0);
  return {
    rotations,
    steps: new Histogram({
      name: 'keymesh_rotation_step_seconds',
      help: 'Running one step of a rotation: ok, retry or refused.',
      labelNames: ['adapter', 'step', 'outcome'],
      buckets: STEP_BUCKETS,
      registers,
    }),
    scheduled: new Counter({
      name: 'keymesh_rotations_scheduled_total',
      help: 'Rotations started because their time had come.',
      registers,
    }),
    sessions: new Gauge({
      name: 'keymesh_rotation_adoption_sessions',
      help: 'Live sessions that hold a rotated credential: confirmed its newest version, or waiting to.',
      labelNames: ['state'],
      registers,
    }),
  };
}
