import type { ServiceName } from '@keymesh/contracts';
import type { Clock, SigningKey } from '@keymesh/kernel';
import { headers } from '@nats-io/nats-core';
import type { MeshConnection } from '../connection.js';
import { MESSAGE_ID } from '../nats-headers.js';
import { pause } from '../pause.js';
import { storeMessage, type StoreOutcome } from '../streams/store-message.js';
import { encodePack, NO_PREVIOUS, packHash } from './pack.js';
import { notDurable, type WaitingRecord } from './waiting-records.js';

const RETRY_DELAY_MS = 50;
const SLOW_RETRY_DELAY_MS = 500;

/** One pack's end, for metrics. */
export interface PackOutcome {
  readonly records: number;
  readonly ackMs: number;
  readonly outcome: 'stored' | 'refused';
}

export interface PackSenderOptions {
  readonly connection: MeshConnection;
  readonly service: ServiceName;
  readonly instance: string;
  readonly subject: string;
  readonly signingKey: SigningKey;
  readonly clock: Clock;
  readonly ackTimeoutMs: number;
  /** The stream says no: whatever else waits need not try. */
  readonly onRefused: () => void;
  readonly onPack?: (pack: PackOutcome) => void;
}

export interface PackSender {
  /** Sends one pack and settles its records; never rejects. One at a time. */
  send(records: readonly WaitingRecord[], final?: true): Promise<void>;
  /** Records of the pack that is on its way. */
  readonly inFlight: () => readonly WaitingRecord[];
  lastSentAt(): number;
  /** Gives up what is on its way. */
  abort(): void;
}

/** The chain of one instance: numbers, links, signs and sends packs, one at a time. */
export function makePackSender(options: PackSenderOptions): PackSender {
  const { connection, clock, subject, onRefused, onPack } = options;
  const aborted = new AbortController();
  let sequence = 1;
  let previous = NO_PREVIOUS;
  let inFlight: readonly WaitingRecord[] = [];
  let lastSentAt = clock.monotonic();

  const attempt = (bytes: Uint8Array, id: string): Promise<StoreOutcome> => {
    const head = headers();
    head.set(MESSAGE_ID, id);
    return storeMessage(connection, subject, bytes, head, options.ackTimeoutMs);
  };

  /** @returns whether the pack is part of the chain now. */
  const store = async (
    bytes: Uint8Array,
    id: string,
    records: readonly WaitingRecord[],
  ): Promise<boolean> => {
    // INVARIANT: once an attempt may have been stored, the same bytes are tried until that is known, even when nobody waits for
    // their records any more: another pack of this sequence would fork the chain, and going on without it would leave a gap.
    let maybeStored = false;
    while (!aborted.signal.aborted) {
      const outcome = await attempt(bytes, id);
      if (outcome.kind === 'stored') return true;
      if (outcome.kind === 'unknown') maybeStored = true;
      if (outcome.kind === 'refused') {
        refuse(records);
        onRefused();
      }
      const isWanted = records.some(({ deadlineAt }) => clock.monotonic() < deadlineAt);
      if (!maybeStored && (outcome.kind === 'refused' || !isWanted)) return false;
      await pause(outcome.kind === 'refused' ? SLOW_RETRY_DELAY_MS : RETRY_DELAY_MS, aborted.signal);
    }
    return false;
  };

  return {
    async send(records, final) {
      const startedAt = clock.monotonic();
      lastSentAt = startedAt;
      inFlight = records;
      const { service: producer, instance } = options;
      const createdAt = new Date(clock.now()).toISOString();
      const head = { producer, instance, sequence, previous, createdAt, ...(final && { final }) };
      const bytes = encodePack(head, records, options.signingKey);
      const isStored = await store(bytes, `${instance}.${sequence}`, records);
      inFlight = [];
      if (isStored) {
        sequence += 1;
        previous = packHash(bytes);
        for (const record of records) record.resolve();
      } else refuse(records);
      const ackMs = clock.monotonic() - startedAt;
      onPack?.({ records: records.length, ackMs, outcome: isStored ? 'stored' : 'refused' });
    },
    inFlight: () => inFlight,
    lastSentAt: () => lastSentAt,
    abort: () => aborted.abort(),
  };
}

function refuse(records: readonly WaitingRecord[]): void {
  for (const record of records) record.reject(notDurable('refused'));
}
