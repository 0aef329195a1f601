import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which policies decided under which bundle version, kept for ever, so that recorded decisions can be made again. Rows are never changed. */
export class PolicyHistory1795651220000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- One row for each bundle version whose policies are known; equal digests, equal policies.
      CREATE TABLE policy.policy_set (
        version integer PRIMARY KEY CHECK (version > 0),
        digest bytea NOT NULL CHECK (octet_length(digest) = 32)
      );

      -- From this version on this policy has this text; null: it is no more. Built-in ones are in here as well.
      CREATE TABLE policy.effective_policy (
        policy_id text NOT NULL,
        from_version integer NOT NULL,
        cedar text,
        PRIMARY KEY (policy_id, from_version)
      );

      -- Texts of the policies in the shadow, whose digest a statement holds. They decide nothing.
      CREATE TABLE policy.shadow_policy (
        policy_id text PRIMARY KEY,
        cedar text NOT NULL
      );`);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations are forward-only'));
  }
}
