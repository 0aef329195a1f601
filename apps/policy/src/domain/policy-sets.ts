import { failure, type EffectivePolicy } from '@keymesh/contracts';
import type { Directory, Policy } from '@keymesh/policy-engine';

/** Versions in a row that decided by the same policies. */
export interface PolicySetRange {
  readonly firstVersion: number;
  readonly lastVersion: number;
  /** SHA-256 (hex) of RFC 8785 JSON of the policies, by id. */
  readonly digest: string;
}

/** The policies of one bundle version, by id. */
export interface PolicySetOfVersion {
  readonly digest: string;
  readonly policies: readonly Policy[];
}

/** By which policies bundle versions decided. @throws STORE_UNAVAILABLE */
export interface PolicySets {
  /** Undefined: not known. */
  find(version: number): Promise<PolicySetOfVersion | undefined>;
  /** Ranges of versions from one on, in order. A gap is a version that is not known. */
  list(fromVersion: number, limit: number): Promise<readonly PolicySetRange[]>;
}

/** @throws POLICY_NOT_FOUND when it is not known by which policies the version decided. */
export async function knownPolicySet(sets: PolicySets, version: number): Promise<PolicySetOfVersion> {
  const found = await sets.find(version);
  if (found === undefined)
    throw failure('POLICY_NOT_FOUND', {
      publicMessage: `It is not known by which policies bundle ${String(version)} decided: there is none, or it is from before this was kept.`,
    });
  return found;
}

/** A policy with who wrote it: whoever wrote what is in force, or else who wrote this text first. Nobody wrote what is built in. */
export function withAuthor(
  { policies, historyOf }: Pick<Directory, 'policies' | 'historyOf'>,
  { id, cedar }: Policy,
): EffectivePolicy {
  const policyId = id.startsWith(WRITTEN) ? id.slice(WRITTEN.length) : undefined;
  const nobody = { id, cedar, setBy: null, setAt: null, confirmedBy: null };
  if (policyId === undefined) return nobody;
  const now = policies.find((policy) => policy.policyId === policyId && policy.cedar === cedar);
  if (now !== undefined)
    return { id, cedar, setBy: now.setBy, setAt: now.setAt, confirmedBy: now.confirmedBy };
  const history = historyOf(`policy:${policyId}`);
  const set = history.find((said) => said.type === 'policy.set' && said.cedar === cedar);
  if (set === undefined) return nobody;
  const confirmed = history.find(
    (said) => said.type === 'policy.confirmed' && said.change === set.statementId,
  );
  return { id, cedar, setBy: set.issuer, setAt: set.issuedAt, confirmedBy: confirmed?.issuer ?? null };
}

const WRITTEN = 'policy.';
