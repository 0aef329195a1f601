import { failure, toPublicError, type Action, type AuditRecord } from '@keymesh/contracts';
import { MINUTE, type Clock } from '@keymesh/kernel';
import type { Call, Journal } from '@keymesh/mesh';
import {
  approvalFacts,
  recordedDecision,
  refusalOf,
  type Access,
  type AskPolicy,
  type Logger,
} from '@keymesh/service-kit';
import { v7 as uuidv7 } from 'uuid';

export interface AuditReadPorts {
  readonly askPolicy: AskPolicy;
  readonly journal: Pick<Journal, 'record'>;
  readonly clock: Clock;
  readonly instance: string;
  readonly logger: Pick<Logger, 'warn'>;
}

/**
 * Decides whether the asker may read the log, and records that it did.
 * @param actions any of them is enough (default: `audit.read`); the first is what a denial is recorded of.
 * @returns the first one that it may. @throws DENIED, APPROVAL_REQUIRED where approvals of the first would turn it
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
  readonly last: { operation: string; call: Call; access: Access };
}

/** All of the log: whoever reads it pages through it, so an approval of reading is of every page. */
const LEDGER = { kind: 'audit-log', id: 'ledger', attributes: {} } as const;

/**
 * Makes the guard of every read of the log. Each access is recorded itself: once a session and minute with a count, since a record of
 * every read would be one more entry for whoever follows the log to read. The rest of a count is recorded by `flush`.
 */
export function makeAuthoriseAuditRead(ports: AuditReadPorts): {
  authorise: AuthoriseAuditRead;
  /** Records counts whose minute is over; call it now and then, and with `all` at the end. */
  flush: (all?: boolean) => Promise<void>;
} {
  const { askPolicy, clock } = ports;
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
      const asked = actions.map((action) => askPolicy(call, action, LEDGER));
      const access = asked.find(({ permitted }) => permitted) ?? asked[0];
      if (access === undefined) throw failure('DENIED');
      const { action } = access.request;
      const last = { operation, call, access };
      if (!access.permitted) {
        await ports.journal.record(recordOf(ports, last, { outcome: 'denied', code: 'DENIED', reads: 0 }));
        throw refusalOf(askPolicy, call, access);
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

function recordOf(
  { clock, instance }: AuditReadPorts,
  { operation, call, access }: Reading['last'],
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
    decision: recordedDecision(access),
    facts: { operation, reads, ...approvalFacts(access) },
  };
}
