import { failure } from '@keymesh/contracts';
import { fillTables, withSnapshot, type DatabasePassword } from '@keymesh/postgres';
import type { DataSource, EntityManager } from 'typeorm';
import { carryFloors } from './bundle-floors.js';
import { BACKUP_SCHEMAS, isBackedUp } from './scope.js';

type Connection = { readonly url: string } & DatabasePassword;

/**
 * Takes the ledger of the former database in place of the backup's: it only grows, so the former one holds the backup's and more, and a
 * checkpoint that was published stays true.
 * @throws LOG_INCONSISTENT when it does not continue the backup's ledger: one of the two was tampered with.
 */
export async function carryLedger(former: Connection, restored: Connection): Promise<void> {
  const options = { schemas: ['audit'], applicationName: 'keymesh-restore' };
  await withSnapshot({ ...former, ...options }, async (snapshot) => {
    const published = await snapshot.query<{ size: string; root: string }>(
      `SELECT size::text, encode(root, 'hex') AS root FROM audit.checkpoint`,
    );
    const roots = new Map(published.map(({ size, root }) => [size, root]));
    await fillTables({ ...restored, ...options }, async (filling) => {
      await filling.check(
        `SELECT size::text, encode(root, 'hex') AS root FROM audit.checkpoint ORDER BY size DESC LIMIT 1`,
        ([newest]) => {
          if (newest !== undefined && roots.get(String(newest.size)) !== newest.root)
            throw failure('LOG_INCONSISTENT', {
              publicMessage:
                "The former database's audit log does not continue the backup's. Keep both and start an incident; --without-later-records restores without the former one.",
            });
        },
      );
      const tables = snapshot.tables.filter(isBackedUp);
      await filling.empty(tables);
      for (const table of tables) await filling.copyIn(table, snapshot.copyOut(table));
      for (const state of await snapshot.sequences()) await filling.setSequence(state);
    });
  });
}

interface KillRow {
  readonly kill_id: string;
  readonly scope: string;
  readonly name: string | null;
  readonly reason: string;
  readonly since: Date | string;
  readonly set_by: string;
}

interface PolicyRows {
  readonly statements: readonly { sequence: string; statement_id: string; principal: string; text: string }[];
  readonly taken: readonly { principal: string; status: string; until: Date | null; reason: string }[];
  readonly kills: readonly KillRow[];
  readonly bundle: { version: number; bytes: Buffer } | undefined;
}

/**
 * Takes from the former database who may what: operators signed it, and what was taken away stays so. Where its statements do not continue
 * the backup's, only what it takes away is taken over.
 * @param manager of the transaction over the restored database.
 */
export async function carryPolicy(former: DataSource, manager: EntityManager): Promise<void> {
  const [then, now] = [await policyRows(manager), await policyRows(former.manager)];
  const continues = then.statements.every(({ text }, at) => now.statements[at]?.text === text);
  if (continues) {
    for (const row of now.statements.slice(then.statements.length))
      await manager.query(
        'INSERT INTO policy.statement (sequence, statement_id, principal, text) VALUES ($1, $2, $3, $4)',
        [row.sequence, row.statement_id, row.principal, row.text],
      );
    await manager.query('DELETE FROM policy.taken');
  }
  for (const { principal, status, until, reason } of now.taken)
    await addTaking(manager, { principal, status, until, reason });
  for (const kill of now.kills) await addKill(manager, kill);
  if (now.bundle !== undefined && now.bundle.version > (then.bundle?.version ?? 0))
    await manager.query('INSERT INTO policy.bundle (version, bytes) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
      now.bundle.version,
      now.bundle.bytes,
    ]);
  await carryFloors(former, manager);
}

/** A vault that was locked by command stays locked. The row carries its own HMAC. */
export async function carryLock(former: DataSource, manager: EntityManager): Promise<void> {
  const [lock] = await former.query<{ row: object }[]>(
    'SELECT to_jsonb(lock_state) AS row FROM vault.lock_state WHERE locked',
  );
  if (lock === undefined) return;
  await manager.query(
    `INSERT INTO vault.lock_state SELECT * FROM jsonb_populate_record(NULL::vault.lock_state, $1::jsonb)
     ON CONFLICT (id) DO UPDATE SET locked = EXCLUDED.locked, revision = EXCLUDED.revision,
       changed_by = EXCLUDED.changed_by, changed_at = EXCLUDED.changed_at, row_mac = EXCLUDED.row_mac`,
    [JSON.stringify(lock.row)],
  );
}

/** Takes access away unless it is taken away for longer already. */
export async function addTaking(
  manager: EntityManager,
  taking: { principal: string; status: string; until: Date | string | null; reason: string },
): Promise<void> {
  await manager.query(
    `INSERT INTO policy.taken (principal, status, until, reason) VALUES ($1, $2, $3, $4)
     ON CONFLICT (principal, status) DO UPDATE SET until = EXCLUDED.until, reason = EXCLUDED.reason
     WHERE policy.taken.until IS NOT NULL AND (EXCLUDED.until IS NULL OR EXCLUDED.until > policy.taken.until)`,
    [taking.principal, taking.status, taking.until, taking.reason],
  );
}

/** Sets a kill switch unless it is set already. One that was lifted is void by its statement, where that was carried over too. */
export async function addKill(manager: EntityManager, kill: KillRow): Promise<void> {
  await manager.query(
    `INSERT INTO policy.kill_switch (kill_id, scope, name, reason, since, set_by) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (kill_id) DO NOTHING`,
    [kill.kill_id, kill.scope, kill.name, kill.reason, kill.since, kill.set_by],
  );
}

async function policyRows(manager: EntityManager): Promise<PolicyRows> {
  const one = async <Row>(text: string): Promise<Row | undefined> => (await manager.query<Row[]>(text))[0];
  return {
    statements: await manager.query(
      'SELECT sequence::text, statement_id, principal, text FROM policy.statement ORDER BY policy.statement.sequence',
    ),
    taken: await manager.query('SELECT principal, status, until, reason FROM policy.taken'),
    kills: await killRows(manager),
    bundle: await one('SELECT version, bytes FROM policy.bundle ORDER BY version DESC LIMIT 1'),
  };
}

/** None where the former database is of a release before there were any. */
async function killRows(manager: EntityManager): Promise<KillRow[]> {
  const [there] = await manager.query<{ there: boolean }[]>(
    `SELECT to_regclass('policy.kill_switch') IS NOT NULL AS there`,
  );
  if (there?.there !== true) return [];
  return manager.query('SELECT kill_id, scope, name, reason, since, set_by FROM policy.kill_switch');
}

interface OutboxRow {
  readonly id: string;
  readonly subject: string;
  readonly payload: Buffer;
  readonly beside: object | null;
}

/** Audit records that were committed and had not reached the journal: they happened, and are recorded yet. @returns how many. */
export async function carryUnpublishedRecords(former: DataSource, manager: EntityManager): Promise<number> {
  let carried = 0;
  for (const schema of BACKUP_SCHEMAS) {
    const rows = await former.query<OutboxRow[]>(
      `SELECT id, subject, payload, beside FROM ${schema}.outbox WHERE kind = 'journal' AND published_at IS NULL ORDER BY seq`,
    );
    for (const { id, subject, payload, beside } of rows)
      await manager.query(
        `INSERT INTO ${schema}.outbox (id, kind, subject, payload, beside) VALUES ($1, 'journal', $2, $3, $4)
         ON CONFLICT DO NOTHING`,
        [id, subject, payload, beside === null ? null : JSON.stringify(beside)],
      );
    carried += rows.length;
  }
  return carried;
}
