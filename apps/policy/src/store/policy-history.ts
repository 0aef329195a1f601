import { createHash } from 'node:crypto';
import type { Policy } from '@keymesh/policy-engine';
import { inStore } from '@keymesh/postgres';
import canonicalize from 'canonicalize';
import type { DataSource, EntityManager } from 'typeorm';
import type { PolicySetOfVersion, PolicySetRange, PolicySets } from '../domain/policy-sets.js';

/** The history as operations read it. */
export const makePolicySets = ({ manager }: Pick<DataSource, 'manager'>): PolicySets => ({
  find: (version) => inStore(() => findPolicySet(manager, version)),
  list: (fromVersion, limit) => inStore(() => listPolicySets(manager, fromVersion, limit)),
});

/**
 * Keeps by which policies a bundle version decides, in the transaction that makes the bundle. Only what differs from the version before
 * is written.
 */
export async function keepPolicySet(
  manager: EntityManager,
  version: number,
  policies: readonly Policy[],
): Promise<void> {
  const digest = digestOf(policies);
  const newest = await findNewestDigest(manager);
  await manager.query('INSERT INTO policy_set (version, digest) VALUES ($1, $2)', [version, digest]);
  if (newest?.equals(digest) === true) return;
  const before = new Map((await policiesAt(manager, version)).map(({ id, cedar }) => [id, cedar]));
  const now = new Map(policies.map(({ id, cedar }) => [id, cedar]));
  const changed = [...now].filter(([id, cedar]) => before.get(id) !== cedar);
  const gone = [...before.keys()].filter((id) => !now.has(id)).map((id) => [id, null] as const);
  for (const [id, cedar] of [...changed, ...gone])
    await manager.query('INSERT INTO effective_policy (policy_id, from_version, cedar) VALUES ($1, $2, $3)', [
      id,
      version,
      cedar,
    ]);
}

/** Whether it is known that the version decided by exactly these policies. */
export async function isPolicySetOf(
  manager: EntityManager,
  version: number,
  policies: readonly Policy[],
): Promise<boolean> {
  const [row] = await manager.query<{ digest: Buffer }[]>(
    'SELECT digest FROM policy_set WHERE version = $1',
    [version],
  );
  return row?.digest.equals(digestOf(policies)) === true;
}

/** By which policies a version decided; undefined when that is not known. */
async function findPolicySet(
  manager: EntityManager,
  version: number,
): Promise<PolicySetOfVersion | undefined> {
  const [row] = await manager.query<{ digest: Buffer }[]>(
    'SELECT digest FROM policy_set WHERE version = $1',
    [version],
  );
  if (row === undefined) return undefined;
  return { digest: row.digest.toString('hex'), policies: await policiesAt(manager, version) };
}

async function listPolicySets(
  manager: EntityManager,
  fromVersion: number,
  limit: number,
): Promise<PolicySetRange[]> {
  const rows = await manager.query<{ first: number; last: number; digest: Buffer }[]>(
    `SELECT min(version) AS first, max(version) AS last, digest FROM (
       SELECT version, digest, version - row_number() OVER (PARTITION BY digest ORDER BY version) AS run
       FROM policy_set WHERE version >= $1) AS known
     GROUP BY digest, run ORDER BY first LIMIT $2`,
    [fromVersion, limit],
  );
  return rows.map(({ first, last, digest }) => ({
    firstVersion: first,
    lastVersion: last,
    digest: digest.toString('hex'),
  }));
}

async function findNewestDigest(manager: EntityManager): Promise<Buffer | undefined> {
  const [row] = await manager.query<{ digest: Buffer }[]>(
    'SELECT digest FROM policy_set ORDER BY version DESC LIMIT 1',
  );
  return row?.digest;
}

/** What was said last of each policy, up to a version. */
const policiesAt = (manager: EntityManager, version: number): Promise<Policy[]> =>
  manager.query<Policy[]>(
    `SELECT id, cedar FROM (
       SELECT DISTINCT ON (policy_id) policy_id AS id, cedar FROM effective_policy
       WHERE from_version <= $1 ORDER BY policy_id, from_version DESC) AS newest
     WHERE cedar IS NOT NULL ORDER BY id COLLATE "C"`,
    [version],
  );

function digestOf(policies: readonly Policy[]): Buffer {
  const sorted = policies
    .map(({ id, cedar }) => ({ id, cedar }))
    .sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  return createHash('sha256')
    .update(canonicalize(sorted) ?? '')
    .digest();
}
