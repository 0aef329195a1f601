import { createPrivateKey, randomUUID, X509Certificate } from 'node:crypto';
import type { Profile } from '@keymesh/client';
import { DAY, type Clock } from '@keymesh/kernel';
import { makeAuthority, makeServerCertificate } from './certificates.js';
import type { LauncherConfig } from './config.js';
import { readIfThere, writeWhole } from './files.js';
import type { Home } from './home.js';

/** PEM files that clients of the NATS server need: those that every child is told. Undefined: none. */
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

/** PEM files of the embedded server. */
export interface ServerTls {
  readonly certFile: string;
  readonly keyFile: string;
}

const AUTHORITY_DAYS = 20 * 365;
const SERVER_DAYS = 365;
const RENEW_DAYS = 60;

/**
 * The embedded server's certificate and key: the operator's own files, or made here and renewed when 60 of its 365 days are left.
 * The authority is made once: clients pin it. Its key stays in this home, beside the seeds of the mesh.
 */
export function ensureServerTls(
  home: Home,
  { natsTls }: Pick<LauncherConfig, 'natsTls'>,
  clock: Clock,
): ServerTls | undefined {
  if (natsTls !== 'made') return natsTls;
  const { certificate, key } = home.natsTls;
  if (isRenewalDue(home, clock)) {
    const made = makeServerCertificate(ensureAuthority(home, clock), lasting(SERVER_DAYS, clock));
    writeWhole(key, made.key);
    writeWhole(certificate, made.certificate);
  }
  return { certFile: certificate, keyFile: key };
}

/** Whether the made certificate is missing, not of the authority or key beside it, or near its end. */
export function isRenewalDue({ natsTls }: Pick<Home, 'natsTls'>, clock: Clock): boolean {
  const authority = readIfThere(natsTls.authority);
  const certificate = readIfThere(natsTls.certificate);
  const key = readIfThere(natsTls.key);
  if (authority === undefined || certificate === undefined || key === undefined) return true;
  const made = new X509Certificate(certificate);
  // A crash between the two files leaves a certificate with the next one's key.
  const isWhole =
    made.verify(new X509Certificate(authority).publicKey) && made.checkPrivateKey(createPrivateKey(key));
  return !isWhole || Date.parse(made.validTo) - clock.now() < RENEW_DAYS * DAY;
}

/** The authority, made when it is missing: the key first, because without it nothing is signed, and then the certificate that is pinned. */
function ensureAuthority({ natsTls }: Home, clock: Clock): { readonly name: string; readonly key: string } {
  const there = readIfThere(natsTls.authority);
  const key = readIfThere(natsTls.authorityKey);
  if (there !== undefined && key !== undefined) return { name: commonNameOf(there), key };
  const name = `keymesh ${randomUUID()}`;
  const made = makeAuthority(name, lasting(AUTHORITY_DAYS, clock));
  writeWhole(natsTls.authorityKey, made.key);
  writeWhole(natsTls.authority, made.certificate);
  return { name, key: made.key };
}

const commonNameOf = (pem: string): string => new X509Certificate(pem).subject.replace(/^CN=/, '');

// From a day ago, for clocks of other machines that are behind.
const lasting = (days: number, clock: Clock) => ({
  notBefore: new Date(clock.now() - DAY),
  notAfter: new Date(clock.now() + days * DAY),
});
