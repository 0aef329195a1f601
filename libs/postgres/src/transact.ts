import type { DataSource, EntityManager } from 'typeorm';
import { isSerializationFailure, translatePostgresError } from './errors.js';

const MAX_ATTEMPTS = 3;

/** Runs `work` and translates what Postgres throws. For reads outside a transaction. */
export async function inStore<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw translatePostgresError(error);
  }
}

/**
 * Runs `work` in one transaction: all of it is committed (and fsynced) when this resolves, or none.
 * A deadlock or serialization failure runs it again, so `work` must have no effect but its queries.
 * @throws STORE_UNAVAILABLE when Postgres is away. After a lost connection the commit may or may not have happened.
 */
export async function transact<T>(
  dataSource: DataSource,
  work: (manager: EntityManager) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await dataSource.transaction(work);
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || !isSerializationFailure(error)) throw translatePostgresError(error);
    }
  }
}
