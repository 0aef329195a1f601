import { CONSUMERS, failure } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import { consumeBatches, type Consumption, type Delivery, type MeshConnection } from '@keymesh/mesh';
import type { DataSource } from 'typeorm';
import { adoptJournal } from '../operations/adopt-journal.js';
import type { Integrated } from '../operations/commit-packs.js';
import type { LedgerWriter } from '../operations/integrate-packs.js';
import { readStreamEnds, resetConsumer } from '../transport/jetstream-api.js';

/** Journal bytes in one transaction: some thousands of records. */
const MAX_COMMIT_BYTES = 4 * 2 ** 20;
/** A commit costs milliseconds whatever its size; under a steady trickle ten a second are enough. */
const COMMIT_PACE_MS = 100;

export interface FollowJournalOptions {
  readonly connection: MeshConnection;
  readonly dataSource: DataSource;
  readonly writer: LedgerWriter;
  readonly clock: Clock;
  /** After each commit. */
  readonly onIntegrated: (integrated: Integrated, startedAtMs: number) => void;
  readonly onFailure: (error: unknown) => void;
  /** The ledger stands before what the consumer brings next (an older copy of the database): begin again. */
  readonly onRewind: () => void;
}

/**
 * Carries JOURNAL into the ledger, from where the ledger stands. The ledger's own position decides what comes next; the consumer's is
 * set to it and only saves asking again.
 */
export async function followJournal(options: FollowJournalOptions): Promise<Consumption> {
  const { connection, dataSource, writer, clock } = options;
  const { stream } = CONSUMERS.ledger;
  await adoptJournal(dataSource, await readStreamEnds(connection, stream), clock.now());
  writer.forget();
  let next = (await writer.head()).journalSequence + 1;
  await resetConsumer(connection, CONSUMERS.ledger, next);

  const handle = async (deliveries: readonly Delivery[]): Promise<void> => {
    const { journalSequence } = await writer.head();
    if (journalSequence + 1 < next) {
      options.onRewind();
      throw failure('UNAVAILABLE', { details: { because: 'the ledger went back', next, journalSequence } });
    }
    for (const batch of commitSized(deliveries)) {
      const startedAtMs = clock.now();
      const integrated = await writer.integrate(batch);
      next = integrated.head.journalSequence + 1;
      options.onIntegrated(integrated, startedAtMs);
    }
  };
  return consumeBatches(connection, CONSUMERS.ledger, handle, {
    batchSize: CONSUMERS.ledger.maxAckPending,
    paceMs: COMMIT_PACE_MS,
    onFailure: (_delivery, error) => options.onFailure(error),
  });
}

function commitSized(deliveries: readonly Delivery[]): Delivery[][] {
  const batches: Delivery[][] = [];
  let bytes = Infinity;
  for (const delivery of deliveries) {
    if (bytes + delivery.data.length > MAX_COMMIT_BYTES) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1)?.push(delivery);
    bytes += delivery.data.length;
  }
  return batches;
}
