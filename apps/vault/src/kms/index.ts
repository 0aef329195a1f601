import type { KmsConfig } from '../config.js';
import { makeAwsKms } from './aws-kms.js';
import type { Kms } from './kms.js';
import { makeLocalKms } from './local.js';

/** The KMS that the configuration names. @throws CONFIG_INVALID */
export const openKms = (config: KmsConfig): Kms =>
  config.kind === 'local' ? makeLocalKms(config) : makeAwsKms(config);
