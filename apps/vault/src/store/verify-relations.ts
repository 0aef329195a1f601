import type { EntityManager } from 'typeorm';
import type { RowSeal } from '../domain/row-mac.js';
import { readLock } from './lock-state.js';
import { ROW_RULES, type RowProblem, type RowRule } from './row-problem.js';

/** Each gives a row for every place where the rule does not hold; columns are named as in {@link RowProblem}. */
const QUESTIONS: readonly { readonly rule: RowRule; readonly sql: string }[] = [
  {
    rule: 'orphan',
    sql: `SELECT v.credential_id AS "credentialId", v.version FROM credential_version v
      WHERE NOT EXISTS (SELECT 1 FROM credential c WHERE c.credential_id = v.credential_id)`,
  },
  {
    rule: 'namespace-mismatch',
    sql: `SELECT c.credential_id AS "credentialId" FROM credential c LEFT JOIN namespace n USING (namespace_id)
      WHERE n.name IS DISTINCT FROM c.namespace`,
  },
  {
    rule: 'kek-mismatch',
    sql: `SELECT v.credential_id AS "credentialId", v.version, v.kek_id AS "kekId"
      FROM credential_version v JOIN credential c USING (credential_id) LEFT JOIN namespace_kek k ON k.kek_id = v.kek_id
      WHERE v.destroyed_at IS NULL AND (k.kek_id IS NULL OR k.destroyed_at IS NOT NULL
        OR k.namespace_id <> c.namespace_id OR k.version <> v.kek_version)`,
  },
  {
    rule: 'data-key-reused',
    sql: `SELECT v.credential_id AS "credentialId", v.version FROM credential_version v
      WHERE v.dek_id IN (SELECT dek_id FROM credential_version GROUP BY dek_id HAVING count(*) > 1)`,
  },
  {
    // A namespace whose first KEK was never added (its maker died) has no rows either, and gets one with its first store.
    rule: 'active-kek',
    sql: `SELECT n.namespace_id AS "namespaceId" FROM namespace n
      WHERE (SELECT count(*) FILTER (WHERE active) FROM namespace_kek k WHERE k.namespace_id = n.namespace_id) <> 1
        AND (EXISTS (SELECT 1 FROM namespace_kek k WHERE k.namespace_id = n.namespace_id)
          OR EXISTS (SELECT 1 FROM credential c WHERE c.namespace_id = n.namespace_id))`,
  },
  {
    rule: 'destroyed-kek-holds-bytes',
    sql: `SELECT kek_id AS "kekId", namespace_id AS "namespaceId" FROM namespace_kek
      WHERE destroyed_at IS NOT NULL AND length(wrapped) > 0`,
  },
  {
    rule: 'sequence-behind',
    sql: `SELECT 1 FROM revision s
      WHERE s.last_value < greatest((SELECT max(revision) FROM credential), (SELECT max(revision) FROM credential_version))`,
  },
];

/** What rows say of each other, and the lock row. */
export async function relationProblems(manager: EntityManager, seal: RowSeal): Promise<RowProblem[]> {
  const problems: RowProblem[] = [];
  for (const { rule, sql } of QUESTIONS) {
    const rows = await manager.query<Omit<RowProblem, 'rule' | 'problem'>[]>(sql);
    problems.push(...rows.map((row) => ({ rule, problem: ROW_RULES[rule], ...row })));
  }
  if ((await readLock(manager, seal)) === 'damaged')
    problems.push({ rule: 'lock-hmac', problem: ROW_RULES['lock-hmac'] });
  return problems;
}
