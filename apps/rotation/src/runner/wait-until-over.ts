import { failure, type RotationSummary } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import { context, ROOT_CONTEXT } from '@opentelemetry/api';

const LOOK_MS = 50;

/** Looks at a rotation until it is over or the time has come; another instance may be the one that works on it. */
export const makeWaitUntilOver =
  (find: (rotationId: string) => Promise<RotationSummary | undefined>, clock: Clock) =>
  async (rotationId: string, untilMs: number): Promise<RotationSummary> => {
    for (;;) {
      // Out of the trace: looking is not part of the work.
      const rotation = await context.with(ROOT_CONTEXT, () => find(rotationId));
      if (rotation === undefined) throw failure('INTERNAL', { details: { rotationId } });
      const isOver = rotation.state === 'done' || rotation.state === 'failed';
      if (isOver || clock.monotonic() + LOOK_MS > untilMs) return rotation;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  };
