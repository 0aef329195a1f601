import { subjectOfStatement } from '@keymesh/contracts';
import { readStatement, type Taken } from '@keymesh/policy-engine';
import type { EntityManager } from 'typeorm';

// Queries on statements, takings and bundles. One purpose each; all within the caller's transaction.

/** Bundles kept, for looking back; the newest is the one that counts. */
const BUNDLES_KEPT = 20;

/** Makes changes wait for each other over all instances, until the transaction ends. */
export async function lockBook(manager: EntityManager): Promise<void> {
  await manager.query(`SELECT pg_advisory_xact_lock(hashtextextended('keymesh/policy/book', 0))`);
}

/** INVARIANT: version, statements and takings are read as of one commit; else a version could be taken for more than it holds. */
export async function readOneMoment(manager: EntityManager): Promise<void> {
  await manager.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
}

/** Version of the newest bundle; 0 when there is none. */
export async function newestVersion(manager: EntityManager): Promise<number> {
  const [row] = await manager.query<{ version: number | null }[]>(
    'SELECT max(version) AS version FROM bundle',
  );
  return row?.version ?? 0;
}

/** Statements in order, from the one after `known` on. */
export async function statementsAfter(manager: EntityManager, known: number): Promise<string[]> {
  const rows = await manager.query<{ text: string }[]>(
    'SELECT text FROM statement WHERE sequence > $1 ORDER BY sequence',
    [known],
  );
  return rows.map(({ text }) => text);
}

/** Appends statements after the `count` that are there. */
export async function appendStatements(
  manager: EntityManager,
  count: number,
  texts: readonly string[],
): Promise<void> {
  for (const [index, text] of texts.entries()) {
    const { statement } = readStatement(text);
    await manager.query(
      'INSERT INTO statement (sequence, statement_id, principal, text) VALUES ($1, $2, $3, $4)',
      [count + index + 1, statement.statementId, subjectOfStatement(statement), text],
    );
  }
}

/** What is taken away, less what has ended. */
export async function listTaken(manager: EntityManager, nowMs: number): Promise<Taken[]> {
  const rows = await manager.query<
    { principal: string; status: Taken['status']; until: Date | null; reason: string }[]
  >(
    `SELECT principal, status, until, reason FROM taken WHERE until IS NULL OR until > $1 ORDER BY principal, status`,
    [new Date(nowMs)],
  );
  return rows.map(({ until, ...row }) => ({ ...row, until: until === null ? null : until.toISOString() }));
}

/** Replaces what is taken from one principal. */
export async function replaceTaken(
  manager: EntityManager,
  principal: string,
  takings: readonly Taken[],
): Promise<void> {
  await manager.query('DELETE FROM taken WHERE principal = $1', [principal]);
  for (const { status, until, reason } of takings)
    await manager.query('INSERT INTO taken (principal, status, until, reason) VALUES ($1, $2, $3, $4)', [
      principal,
      status,
      until,
      reason,
    ]);
}

/** Keeps a bundle; forgets those that are long past. */
export async function insertBundle(
  manager: EntityManager,
  version: number,
  bytes: Uint8Array,
): Promise<void> {
  await manager.query('INSERT INTO bundle (version, bytes) VALUES ($1, $2)', [version, Buffer.from(bytes)]);
  await manager.query('DELETE FROM bundle WHERE version <= $1', [version - BUNDLES_KEPT]);
}

/** Bytes of the newest bundle. */
export async function newestBundle(manager: EntityManager): Promise<Uint8Array | undefined> {
  const [row] = await manager.query<{ bytes: Buffer }[]>(
    'SELECT bytes FROM bundle ORDER BY version DESC LIMIT 1',
  );
  return row === undefined ? undefined : new Uint8Array(row.bytes);
}

/** Forgets locks that ended; bundles left them out already. */
export async function pruneTaken(manager: EntityManager, nowMs: number): Promise<void> {
  await manager.query('DELETE FROM taken WHERE until <= $1', [new Date(nowMs)]);
}
