import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { propagation } from '@opentelemetry/api';

// Each request of a spec gets a trace id of its own, so that its audit record can be told from all others. Only the id is needed:
// no SDK, and the flag says "not recorded" unless asked for.
const current = new AsyncLocalStorage<{ traceId: string; recorded: boolean }>();

propagation.setGlobalPropagator({
  inject(_context, carrier, setter) {
    const trace = current.getStore();
    if (trace === undefined) return;
    const flags = trace.recorded ? '01' : '00';
    setter.set(carrier, 'traceparent', `00-${trace.traceId}-${randomBytes(8).toString('hex')}-${flags}`);
  },
  extract: (context) => context,
  fields: () => ['traceparent'],
});

/** A new trace id, 16 bytes hex. */
export const newTraceId = (): string => randomBytes(16).toString('hex');

/** Runs requests under this trace id. */
export const inTrace = <T>(traceId: string, work: () => Promise<T>, { recorded = false } = {}): Promise<T> =>
  current.run({ traceId, recorded }, work);
