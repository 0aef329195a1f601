import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What policies in the shadow would have decided otherwise, in sums over all instances. Forward-only; run by the deploy role. */
export class ShadowSums1795651220000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE vault.shadow_total (
        shadow_id uuid PRIMARY KEY,
        evaluated bigint NOT NULL,
        different bigint NOT NULL,
        skipped bigint NOT NULL,
        since timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
      );

      CREATE TABLE vault.shadow_difference (
        shadow_id uuid NOT NULL REFERENCES vault.shadow_total ON DELETE CASCADE,
        principal text NOT NULL,
        action text NOT NULL,
        resource_kind text NOT NULL,
        from_effect text NOT NULL,
        to_effect text NOT NULL,
        -- Ids of policies, sorted.
        because text[] NOT NULL,
        count bigint NOT NULL,
        first_at timestamptz NOT NULL,
        last_at timestamptz NOT NULL,
        PRIMARY KEY (shadow_id, principal, action, resource_kind, from_effect, to_effect, because)
      );`);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations of the vault go forward only'));
  }
}
