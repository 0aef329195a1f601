import { systemClock, type Clock } from '@keymesh/kernel';
import { makeRootKms } from './composite.js';
import type { Kms } from './kms.js';
import { makeResilient } from './resilient.js';
import type { KmsConfig } from './root-settings.js';
import type { KmsConfigOf, MemberName } from './settings.js';

/** How long one call of a KMS may take where nobody says, milliseconds. */
const DEADLINE_MS = 2_000;

export interface OpenKmsOptions {
  readonly clock?: Clock;
  /** Wraps each KMS on its own, e.g. to watch it. */
  readonly observe?: (kms: Kms) => Kms;
}

/** The root that the configuration names: each remote KMS with deadline and breaker, together one. @throws CONFIG_INVALID, RECOVERY_SHARES_INVALID */
export async function openKms(
  config: KmsConfig,
  { clock = systemClock, observe = (kms) => kms }: OpenKmsOptions = {},
): Promise<Kms> {
  const { deadlineMs = DEADLINE_MS } = config;
  const open = async (member: KmsConfigOf<MemberName>): Promise<Kms> => {
    const kms = await openOne(member);
    return observe(isInProcess(member) ? kms : makeResilient(kms, { clock, deadlineMs }));
  };
  if (!('members' in config)) return makeRootKms({ mode: 'any-of', members: [await open(config)] });
  const members = await Promise.all(config.members.map(open));
  return makeRootKms({ mode: config.kind, members, strict: config.strict });
}

/** Computes here and waits for nobody; a derivation takes the time that it takes. */
const isInProcess = ({ kind }: KmsConfigOf<MemberName>): boolean => kind === 'local' || kind === 'recovery';

/** One KMS. Only its own SDK is loaded. */
async function openOne(config: KmsConfigOf<MemberName>): Promise<Kms> {
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
    case 'recovery':
      return (await import('./recovery.js')).makeRecoveryKms(config);
  }
}
