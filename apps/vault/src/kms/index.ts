import type { KmsConfig } from '../config.js';
import type { Kms } from './kms.js';

/** The KMS that the configuration names. Only its own SDK is loaded. @throws CONFIG_INVALID */
export async function openKms(config: KmsConfig): Promise<Kms> {
  switch (config.kind) {
    case 'local':
      return (await import('./local.js')).makeLocalKms(config);
    case 'aws-kms':
      return (await import('./aws-kms.js')).makeAwsKms(config);
    case 'pkcs11':
      return (await import('./pkcs11.js')).makePkcs11Kms(config);
    case 'vault-transit':
      return (await import('./vault-transit.js')).makeVaultTransitKms(config);
    case 'azure-key-vault':
      return (await import('./azure-key-vault.js')).makeAzureKeyVaultKms(config);
    case 'gcp-kms':
      return (await import('./gcp-kms.js')).makeGcpKms(config);
  }
}
