import { makeActivateCredential } from '../operations/activate-credential.js';
import { makeCredentialHistory } from '../operations/credential-history.js';
import { makeDeactivateCredential } from '../operations/deactivate-credential.js';
import { makeDeleteCredential } from '../operations/delete-credential.js';
import { makeDescribeCredential } from '../operations/describe-credential.js';
import { makeDestroyVersion } from '../operations/destroy-version.js';
import { makeListCredentials } from '../operations/list-credentials.js';
import { makeRestoreCredential } from '../operations/restore-credential.js';
import { makeRetrieveCredential } from '../operations/retrieve-credential.js';
import { makeStoreCredential } from '../operations/store-credential.js';
import { makeUpdateCredential } from '../operations/update-credential.js';
import type { CredentialOperations } from '../transport/operations.js';
import type { VaultPorts } from './ports.js';

/** What clients ask for. */
export function credentialOperations(ports: VaultPorts): CredentialOperations {
  const { serve, reveal, metrics } = ports;
  const onStage = (stage: string, durationMs: number) =>
    metrics.retrieveStage.observe({ stage }, durationMs / 1_000);
  return {
    storeCredential: serve(makeStoreCredential(ports)),
    retrieveCredential: serve(reveal(makeRetrieveCredential({ ...ports, onStage }))),
    listCredentials: serve(makeListCredentials(ports)),
    describeCredential: serve(makeDescribeCredential(ports)),
    credentialHistory: serve(makeCredentialHistory(ports)),
    updateCredential: serve(makeUpdateCredential(ports)),
    activateCredential: serve(makeActivateCredential(ports)),
    deactivateCredential: serve(makeDeactivateCredential(ports)),
    deleteCredential: serve(makeDeleteCredential({ ...ports, recoveryDays: ports.kit.config.recoveryDays })),
    restoreCredential: serve(makeRestoreCredential(ports)),
    destroyVersion: serve(makeDestroyVersion(ports)),
  };
}
