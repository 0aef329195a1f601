import type { DataSource } from 'typeorm';

const LOCK = 'keymesh/audit/ledger';

/** Being the one instance that writes the ledger. */
export interface Leadership {
  /** Whether it still is ours, as far as Postgres tells right now. Never throws. */
  check(): Promise<boolean>;
  /** Gives it up. Idempotent. */
  release(): Promise<void>;
}

/**
 * Tries to become the writer: an advisory lock of a session that is kept open. A killed process frees it with its connection.
 * It only elects; what protects the ledger is the lock on the tree head in every transaction.
 * @returns undefined while another instance is the writer.
 */
export async function tryLeadership(dataSource: DataSource): Promise<Leadership | undefined> {
  const session = dataSource.createQueryRunner();
  const free = async (): Promise<void> => {
    if (!session.isReleased) await session.release();
  };
  try {
    const rows = (await session.query('SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS won', [
      LOCK,
    ])) as { won: boolean }[];
    if (rows[0]?.won !== true) {
      await free();
      return undefined;
    }
  } catch (error) {
    await free().catch(() => undefined);
    throw error;
  }
  return {
    check: () =>
      session.query('SELECT 1').then(
        () => true,
        () => false,
      ),
    release: async () => {
      if (session.isReleased) return;
      await session
        .query('SELECT pg_advisory_unlock(hashtextextended($1, 0))', [LOCK])
        .catch(() => undefined);
      await free();
    },
  };
}
