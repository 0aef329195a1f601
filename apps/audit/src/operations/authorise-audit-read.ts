import {
  failure,
  toPublicError,
  type Action,
  type AuditRecord,
  type PolicyRequest,
} from '@keymesh/contracts';
import { MINUTE, type Clock } from '@keymesh/kernel';
import { callContext, type Call, type Journal } from '@keymesh/mesh';
import { policyPrincipal, type Decision } from '@keymesh/policy-engine';
import type { Logger, PolicyHolder } from '@keymesh/service-kit';
import { v7 as uuidv7 } from 'uuid';

export interface AuditReadPorts {
  readonly policy: Pick<PolicyHolder, 'currentPolicy'>;
  readonly journal: Pick<Journal, 'record'>;
  readonly clock: Clock;
  readonly instance: string;
  readonly logger: Pick<Logger, 'warn'>;
}

/**
 * Decides whether the asker may read the log, and records that it did.
 * @param actions any of them is enough (default: `audit.read`); the first is what a denial is recorded of.
 * @returns the first one that it may. @throws DENIED
 */
export type AuthoriseAuditRead = (
  operation: string,
  call: Call,
  actions?: readonly Action[],
) => Promise<Action>;

/** Reads of one session that are not recorded yet. */
interface Reading {
  windowEndsAt: number;
  unrecorded: number;
  readonly last: { operation: string; call: Call; decision: RecordedDecision };
}
type RecordedDecision = NonNullable<AuditRecord['decision']>;

/**
 * Makes the guard of every read of the log. Each access is recorded itself: once a session and minute with a count, since a record of
 * every read would be one more entry for whoever follows the log to read. The rest of a count is recorded by `flush`.
 */
export function makeAuthoriseAuditRead(ports: AuditReadPorts): {
  authorise: AuthoriseAuditRead;
  /** Records counts whose minute is over; call it now and then, and with `all` at the end. */
  flush: (all?: boolean) => Promise<void>;
} {
  const { policy, clock } = ports;
  const readings = new Map<string, Reading>();

  const recordReads = async (reading: Reading): Promise<void> => {
    const reads = reading.unrecorded;
    reading.unrecorded = 0;
    try {
      await ports.journal.record(recordOf(ports, reading.last, { outcome: 'success', reads }));
    } catch (error) {
      // An operator must be able to look at the log above all while the journal is ill: the count is kept until it is well.
      reading.unrecorded += reads;
      ports.logger.warn({ code: toPublicError(error).code, reads }, 'reads of the log are not recorded yet');
    }
  };

  return {
    authorise: async (operation, call, actions = ['audit.read']) => {
      const decisions = actions.map((action) => decide(policy.currentPolicy(), call, action));
      const decision = decisions.find(({ effect }) => effect === 'permit') ?? decisions[0];
      if (decision === undefined) throw failure('DENIED');
      const { action } = decision.request;
      const last = { operation, call, decision };
      if (decision.effect === 'forbid') {
        await ports.journal.record(recordOf(ports, last, { outcome: 'denied', code: 'DENIED', reads: 0 }));
        throw failure('DENIED');
      }
      const key = `${call.principal}/${call.sessionId ?? 'plain'}/${action}`;
      const known = readings.get(key);
      if (known !== undefined && clock.monotonic() < known.windowEndsAt) {
        known.unrecorded += 1;
        return action;
      }
      const reading = {
        windowEndsAt: clock.monotonic() + MINUTE,
        unrecorded: (known?.unrecorded ?? 0) + 1,
        last,
      };
      readings.set(key, reading);
      await recordReads(reading);
      return action;
    },
    flush: async (all = false) => {
      for (const [key, reading] of readings) {
        if (!all && clock.monotonic() < reading.windowEndsAt) continue;
        if (reading.unrecorded === 0) readings.delete(key);
        else {
          reading.windowEndsAt = clock.monotonic() + MINUTE;
          await recordReads(reading);
        }
      }
    },
  };
}

function decide(
  { engine, directory }: ReturnType<PolicyHolder['currentPolicy']>,
  call: Call,
  action: Action,
): RecordedDecision {
  const entry = directory.find(call.principal);
  if (entry === undefined) throw failure('DENIED');
  const request: PolicyRequest = {
    principal: policyPrincipal(entry),
    action,
    resource: { kind: 'audit-log', id: 'ledger', attributes: {} },
    context: callContext(call),
  };
  const decision: Decision = engine.decide(request);
  return { ...decision, request };
}

function recordOf(
  { clock, instance }: AuditReadPorts,
  { operation, call, decision }: Reading['last'],
  { outcome, code, reads }: { outcome: 'success' | 'denied'; code?: string; reads: number },
): AuditRecord {
  return {
    v: 1,
    id: uuidv7({ msecs: clock.now() }),
    time: new Date(clock.now()).toISOString(),
    type: 'audit.read',
    service: 'audit',
    instance,
    outcome,
    ...(code === undefined ? {} : { code }),
    principal: call.principal,
    ...(call.sessionId === undefined ? {} : { session: call.sessionId }),
    requestId: call.requestId,
    ...(call.traceparent === undefined ? {} : { traceparent: call.traceparent }),
    resource: { kind: 'audit-log', id: 'ledger' },
    decision,
    facts: { operation, reads },
  };
}
