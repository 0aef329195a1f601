import { channelKeyMigration, outboxMigration } from '@keymesh/postgres';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Baselines, findings, and which events were counted. Principals and credential ids only: no name of a credential, no value. */
export class CreateAnomalyDetector1795305600000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE anomaly_detector.processed_event (
        event_id uuid PRIMARY KEY,
        event_at timestamptz NOT NULL
      );
      CREATE INDEX processed_event_at ON anomaly_detector.processed_event (event_at);

      CREATE TABLE anomaly_detector.baseline (
        principal text PRIMARY KEY,
        state jsonb NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now()
      );

      CREATE TABLE anomaly_detector.known_credential (
        principal text NOT NULL,
        credential_id uuid NOT NULL,
        first_read_at timestamptz NOT NULL,
        PRIMARY KEY (principal, credential_id)
      );

      CREATE TABLE anomaly_detector.finding (
        finding_id uuid PRIMARY KEY,
        kind text NOT NULL,
        severity text NOT NULL,
        principal text NOT NULL,
        credential_id uuid,
        score integer NOT NULL,
        observed double precision NOT NULL,
        baseline double precision NOT NULL,
        summary text NOT NULL,
        response text,
        log_index bigint,
        created_at timestamptz NOT NULL,
        occurrences integer NOT NULL,
        last_event_at timestamptz NOT NULL,
        lock_due_at timestamptz,
        lock_attempts integer NOT NULL DEFAULT 0
      );
      CREATE INDEX finding_newest ON anomaly_detector.finding (created_at DESC, finding_id);
      CREATE INDEX finding_of_principal ON anomaly_detector.finding (principal, kind, created_at DESC);
      CREATE INDEX finding_lock_due ON anomaly_detector.finding (lock_due_at) WHERE lock_due_at IS NOT NULL;`);
    await runner.query(outboxMigration('anomaly_detector'));
    await runner.query(channelKeyMigration('anomaly_detector'));
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations are forward-only'));
  }
}
