import type { DataSource } from 'typeorm';

/**
 * Cuts off whatever transaction comes to its `at`-th statement (from 1, counted over all of them; begin and commit count, rollback does not),
 * as a lost connection would. Reads outside transactions go on.
 */
export function failAtQuery(dataSource: DataSource, at: number) {
  const createQueryRunner = dataSource.createQueryRunner.bind(dataSource);
  let statements = 0;
  let happened = false;
  dataSource.createQueryRunner = (...mode) => {
    const runner = createQueryRunner(...mode);
    const query = runner.query.bind(runner) as (...given: unknown[]) => Promise<unknown>;
    const counted = (statement: string, ...rest: unknown[]): Promise<unknown> => {
      if (runner.isTransactionActive && !statement.startsWith('ROLLBACK')) {
        statements += 1;
        if (statements === at) {
          happened = true;
          return Promise.reject(new Error('cut off'));
        }
      }
      return query(statement, ...rest);
    };
    return Object.assign(runner, { query: counted });
  };
  return {
    happened: () => happened,
    restore: () => void (dataSource.createQueryRunner = createQueryRunner),
  };
}
