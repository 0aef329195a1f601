import { systemClock, type Clock } from '@keymesh/kernel';
import { makeRootKms, type RootKms } from './composite.js';
import type { Kms } from './kms.js';
import { makeResilient } from './resilient.js';
import type { KmsConfig } from './root-settings.js';
import type { KmsConfigOf, MemberName } from './settings.js';

/** How long a wrapping or unwrapping may wait for KMS where nobody says, milliseconds. */
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
): Promise<RootKms> {
  const { deadlineMs = DEADLINE_MS } = config;
  const open = async (one: KmsConfigOf<MemberName>, itsDeadlineMs: number): Promise<Kms> => {
    const kms = await openOne(one);
    return observe(isInProcess(one) ? kms : makeResilient(kms, { clock, deadlineMs: itsDeadlineMs }));
  };
  if (!('members' in config))
    return makeRootKms({ mode: 'any-of', members: [await open(config, deadlineMs)] });
  const { kind: mode, members: configs, strict } = config;
  // Members of an any-of are asked one after the other: together they may not take longer than one KMS.
  const inTurn = mode === 'any-of' ? configs.filter((member) => !isInProcess(member)).length : 1;
  const members = configs.map((member) => open(member, deadlineMs / Math.max(1, inTurn)));
  return makeRootKms({ mode, members: await Promise.all(members), strict });
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
