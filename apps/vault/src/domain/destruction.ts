import type { Credential } from './credential.js';
import type { MutationTransaction } from './mutations.js';
import { markPurged, wiped, type Change } from './stages.js';

/**
 * Destroys every version of a deleted credential: values, wrapped data keys and fingerprints go, rows with their numbers and ids stay.
 * @returns the credential as it now stands, and how many versions lost their bytes with this.
 */
export async function purgeCredential(
  transaction: MutationTransaction,
  deleted: Credential,
  change: Change,
): Promise<{ readonly purged: Credential; readonly destroyed: number }> {
  const purged = markPurged(deleted, change);
  await transaction.updateCredential(purged);
  const versions = await transaction.listVersions(deleted.credentialId);
  const whole = versions.filter(({ destroyedAtMs }) => destroyedAtMs === null);
  for (const version of whole) await transaction.updateVersion(wiped(version, version.stage, change));
  return { purged, destroyed: whole.length };
}
