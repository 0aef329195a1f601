import type { AuditRecord } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import { v7 as uuidv7 } from 'uuid';
import type { Written } from './audit-trail.js';

/** Who writes records of what happens by itself. */
export interface SystemRecorder {
  readonly instance: string;
  readonly clock: Clock;
}

/** The record of something that no request asked for: a time that was over. For the transaction in which it happens. */
export const systemRecord = (
  { instance, clock }: SystemRecorder,
  happened: Pick<AuditRecord, 'type' | 'resource' | 'facts'>,
): Written => ({
  record: {
    v: 1,
    id: uuidv7(),
    time: new Date(clock.now()).toISOString(),
    service: 'vault',
    instance,
    outcome: 'success',
    ...happened,
  },
  beside: undefined,
});
