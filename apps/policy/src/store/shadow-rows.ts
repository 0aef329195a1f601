import type { PolicyBundle, ShadowPolicies } from '@keymesh/contracts';
import { shadowDigestOf, type Directory } from '@keymesh/policy-engine';
import type { EntityManager } from 'typeorm';

// Texts of the policies in the shadow. They are not in the statements, which stay for ever.

/** Replaces what is in the shadow. */
export async function replaceShadow(manager: EntityManager, policies: ShadowPolicies): Promise<void> {
  await manager.query('DELETE FROM shadow_policy');
  for (const { policyId, cedar } of policies)
    await manager.query('INSERT INTO shadow_policy (policy_id, cedar) VALUES ($1, $2)', [policyId, cedar]);
}

/** The texts that the statement in force is about; undefined where there is none, or they are not there. */
export async function findShadow(
  manager: EntityManager,
  { shadow }: Pick<Directory, 'shadow'>,
): Promise<ShadowPolicies | undefined> {
  if (shadow === undefined) return undefined;
  const policies = await manager.query<ShadowPolicies>(
    'SELECT policy_id AS "policyId", cedar FROM shadow_policy ORDER BY policy_id COLLATE "C"',
  );
  return shadowDigestOf(policies) === shadow.digest ? policies : undefined;
}

/** The shadow's part of a bundle. */
export async function shadowIn(
  manager: EntityManager,
  directory: Pick<Directory, 'shadow'>,
): Promise<Pick<PolicyBundle, 'shadow'>> {
  const shadow = await findShadow(manager, directory);
  return shadow === undefined ? {} : { shadow };
}
