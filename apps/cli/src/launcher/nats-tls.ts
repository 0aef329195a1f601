import type { Profile } from '@keymesh/client';
import type { LauncherConfig } from './config.js';

/** PEM files for a NATS server of the user's own: those that every child is told. Undefined: none were named. */
export function natsTlsOf({ passed }: Pick<LauncherConfig, 'passed'>): Profile['tls'] {
  const {
    KEYMESH_NATS_CA_FILE: caFile,
    KEYMESH_NATS_CERT_FILE: certFile,
    KEYMESH_NATS_KEY_FILE: keyFile,
  } = passed;
  if (caFile === undefined && certFile === undefined) return undefined;
  return {
    ...(caFile === undefined ? {} : { caFile }),
    ...(certFile === undefined ? {} : { certFile }),
    ...(keyFile === undefined ? {} : { keyFile }),
  };
}
