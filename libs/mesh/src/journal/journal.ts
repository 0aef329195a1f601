import type { AuditRecord, Beside, ServiceName } from '@keymesh/contracts';
import type { Clock, SigningKey } from '@keymesh/kernel';
import type { MeshConnection } from '../connection.js';

export interface JournalOptions {
  readonly connection: MeshConnection;
  readonly service: ServiceName;
  /** INVARIANT: fresh for every start of the process; two chains of one name are a forgery to the ledger. */
  readonly instance: string;
  readonly signingKey: SigningKey;
  readonly clock: Clock;
  /** After each pack: for metrics. */
  readonly onPack?: (pack: {
    readonly records: number;
    readonly ackMs: number;
    readonly outcome: 'stored' | 'refused';
  }) => void;
}

export interface Journal {
  /**
   * Resolves once the record is durable (fsynced and acknowledged).
   * @throws AUDIT_UNAVAILABLE when it is not, or not known to be, in time. Such a record may still appear in the log.
   */
  record(record: AuditRecord, beside?: Beside, options?: { readonly deadlineAt?: number }): Promise<void>;
  /** The outbox relay's way in: exact bytes that are already committed. Safe to repeat: the ledger takes the first of an event id. */
  publishRaw(leaf: Uint8Array, beside?: Uint8Array): Promise<void>;
  /** Sends what waits and a final pack; then refuses. Idempotent. */
  close(): Promise<void>;
}

/** How often an idle instance says that it lives, milliseconds. */
export const JOURNAL_HEARTBEAT_MS = 10_000;

export function makeJournal(_options: JournalOptions): Journal {
  throw new Error('being built');
}
