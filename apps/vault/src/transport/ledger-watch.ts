import { CONSUMERS, failure, subjects, toPublicError } from '@keymesh/contracts';
import { SECOND, type Clock } from '@keymesh/kernel';
import type { MeshConnection } from '@keymesh/mesh';
import type { Logger } from '@keymesh/service-kit';
import type { LedgerLag } from '../domain/ledger-lag.js';

const EVERY_MS = 10 * SECOND;
/** While nothing is revealed, or the lag is not known. */
const SOON_MS = SECOND;
/** A missed answer or two do not stop reveals. */
const MEASUREMENTS_IN_LIMIT = 6;
const TIMEOUT_MS = 5 * SECOND;
/** SOURCE: nats-server `server/errors.json`, JSNoMessageFoundErr. */
const NO_MESSAGE = 10_037;

/** Age of the oldest journal message that the ledger has not acknowledged, milliseconds; 0 for none. @throws UNAVAILABLE */
export type ReadUnledgeredAge = () => Promise<number>;

/**
 * Asks the broker: where the ledger's consumer stands, and when the message after that was stored, both by the broker's clock.
 * Heartbeats count like records: it is how a dead audit service is noticed while nothing else happens, and it errs to the safe side.
 */
export const makeReadUnledgeredAge =
  ({ nats }: Pick<MeshConnection, 'nats'>): ReadUnledgeredAge =>
  async () => {
    const { stream, durable } = CONSUMERS.ledger;
    const ledger = await ask<{ ts: string; ack_floor: { stream_seq: number } }>(
      nats,
      `$JS.API.CONSUMER.INFO.${stream}.${durable}`,
    );
    const oldest = await ask<{ message?: { time: string } }>(nats, `$JS.API.STREAM.MSG.GET.${stream}`, {
      // With a subject, messages that the stream has dropped by their age are passed over.
      seq: ledger.ack_floor.stream_seq + 1,
      next_by_subj: subjects.journalAll,
    });
    if (oldest.message === undefined) return 0;
    const ageMs = Date.parse(ledger.ts) - Date.parse(oldest.message.time);
    if (Number.isNaN(ageMs)) throw failure('UNAVAILABLE', { details: { because: 'no time' } });
    return Math.max(0, ageMs);
  };

export interface LedgerWatchOptions {
  readonly lag: LedgerLag;
  readonly maxUnledgeredMs: number;
  readonly readAge: ReadUnledgeredAge;
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>;
}

/** Measures the lag of the ledger now and then, so that a reveal has only to compare a number. */
export interface LedgerWatch {
  /** Measures once; never rejects: what could not be measured is tried again soon. */
  measure(): Promise<void>;
  /** Measures for the first time, then every ten seconds or so. */
  start(): Promise<void>;
  stop(): void;
}

export function makeLedgerWatch(options: LedgerWatchOptions): LedgerWatch {
  const { lag, readAge, clock, logger } = options;
  const everyMs = Math.min(EVERY_MS, options.maxUnledgeredMs / MEASUREMENTS_IN_LIMIT);
  let isKnown = true;
  let isInTime = true;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;

  const measure = async (): Promise<void> => {
    const askedAt = clock.monotonic();
    try {
      lag.measured(await readAge(), askedAt);
      isKnown = true;
    } catch (error) {
      if (isKnown) logger.warn({ code: toPublicError(error).code }, 'the lag of the ledger is not known');
      isKnown = false;
    }
    if (lag.isInTime() === isInTime) return;
    isInTime = !isInTime;
    const facts = { isKnown, lagSeconds: Math.round(lag.ageMs() / SECOND) };
    if (isInTime) logger.info(facts, 'records reach the ledger again: values are revealed');
    else logger.error(facts, 'records do not reach the ledger in time: no value is revealed');
  };
  const schedule = (): void => {
    if (stopped) return;
    const delayMs = isKnown && isInTime ? everyMs : Math.min(everyMs, SOON_MS);
    // Jittered, so that instances which began together do not ask together.
    timer = setTimeout(() => void measure().then(schedule), delayMs * (0.8 + 0.4 * Math.random()));
    timer.unref();
  };
  return {
    measure,
    start: () => measure().then(schedule),
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

async function ask<Reply extends object>(
  nats: MeshConnection['nats'],
  subject: string,
  request: object = {},
): Promise<Reply> {
  let reply: Reply & { readonly error?: { readonly err_code?: number } };
  try {
    reply = (await nats.request(subject, JSON.stringify(request), { timeout: TIMEOUT_MS })).json();
  } catch (cause) {
    throw failure('UNAVAILABLE', { details: { subject }, cause });
  }
  const { error } = reply;
  if (error !== undefined && error.err_code !== NO_MESSAGE)
    throw failure('UNAVAILABLE', { details: { subject, errorCode: error.err_code ?? 0 } });
  return reply;
}
