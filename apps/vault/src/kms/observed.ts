import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { toPublicError } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Kms } from './kms.js';

/** A call of the KMS that has ended, for metrics. */
export interface KmsCall {
  readonly provider: string;
  readonly call: 'wrap' | 'unwrap';
  readonly outcome: 'success' | 'failure';
  readonly durationMs: number;
}

/** The same KMS, with a span and a report for each call. */
export function observeKms(kms: Kms, clock: Clock, onCall: (call: KmsCall) => void): Kms {
  const tracer = trace.getTracer('keymesh/vault');
  const observed = <T>(call: KmsCall['call'], work: () => Promise<T>): Promise<T> => {
    const attributes = { 'keymesh.kms.provider': kms.provider };
    return tracer.startActiveSpan(`kms.${call}`, { kind: SpanKind.CLIENT, attributes }, async (span) => {
      const startedAt = clock.monotonic();
      const done = (outcome: KmsCall['outcome']): void => {
        onCall({ provider: kms.provider, call, outcome, durationMs: clock.monotonic() - startedAt });
        span.end();
      };
      try {
        const result = await work();
        done('success');
        return result;
      } catch (error) {
        span.setAttribute('keymesh.error.code', toPublicError(error).code);
        span.setStatus({ code: SpanStatusCode.ERROR });
        done('failure');
        throw error;
      }
    });
  };
  return {
    ...kms,
    wrapKey: (plain, context) => observed('wrap', () => kms.wrapKey(plain, context)),
    unwrapKey: (wrapped, context) => observed('unwrap', () => kms.unwrapKey(wrapped, context)),
  };
}
