import { context, propagation } from '@opentelemetry/api';
import type { EntityManager } from 'typeorm';
import { identifier } from './identifier.js';

/** What the relay does with an entry: journal record, domain event, alert, or push to a principal. */
export const OUTBOX_KINDS = ['journal', 'event', 'alert', 'push'] as const;
export type OutboxKind = (typeof OUTBOX_KINDS)[number];

export interface OutboxEntry {
  readonly kind: OutboxKind;
  /** UUIDv7 of the record or event: the message id, by which consumers drop what they have already had. */
  readonly id: string;
  readonly subject: string;
  /** The exact bytes to publish. Never a credential's value. */
  readonly payload: Buffer;
  /** Readable values that stand beside an audit record and may be erased. */
  readonly beside?: Readonly<Record<string, string>>;
}

/** DDL of the outbox, for a service's first migration: `await runner.query(outboxMigration('vault'))`. */
export function outboxMigration(schema: string): string {
  const table = `${identifier(schema)}.outbox`;
  return `
    CREATE TABLE ${table} (
      id uuid PRIMARY KEY,
      seq bigserial NOT NULL,
      kind text NOT NULL CHECK (kind IN (${OUTBOX_KINDS.map((kind) => `'${kind}'`).join(', ')})),
      subject text NOT NULL,
      payload bytea NOT NULL,
      beside jsonb,
      traceparent text,
      created_at timestamptz NOT NULL DEFAULT now(),
      published_at timestamptz
    );
    CREATE INDEX outbox_unpublished ON ${table} (seq) WHERE published_at IS NULL;
    CREATE INDEX outbox_published ON ${table} (published_at) WHERE published_at IS NOT NULL;`;
}

/**
 * Adds an entry within the caller's transaction: it is published if, and only if, that commits. The active trace goes with it.
 * Call `relay.poke()` after the commit.
 */
export async function insertOutbox(manager: EntityManager, entry: OutboxEntry): Promise<void> {
  const carrier: { traceparent?: string } = {};
  propagation.inject(context.active(), carrier);
  await manager.query(
    'INSERT INTO outbox (id, kind, subject, payload, beside, traceparent) VALUES ($1, $2, $3, $4, $5, $6)',
    [
      entry.id,
      entry.kind,
      entry.subject,
      entry.payload,
      entry.beside === undefined ? null : JSON.stringify(entry.beside),
      carrier.traceparent ?? null,
    ],
  );
}
