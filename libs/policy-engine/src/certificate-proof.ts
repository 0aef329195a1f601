import { constants, verify, X509Certificate, type KeyObject } from 'node:crypto';
import {
  certificateProofBytes,
  type CertificateIdentity,
  type CertificateProof,
  type SessionKeys,
} from '@keymesh/contracts';
import { fromBase64Url } from '@keymesh/kernel';

/** Why a certificate does not prove a rule's identity. Never a value of the certificate. */
export type CertificateRefusal =
  'malformed' | 'authority' | 'not-valid-now' | 'usage' | 'identity' | 'signature';

// SOURCE: RFC 5280 section 4.2.1.12, id-kp-clientAuth
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const MIN_RSA_BITS = 2_048;
/** RSA-PSS with SHA-256, ECDSA with SHA-256 in DER form, or Ed25519. */
const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };

const hashFor = (key: KeyObject): string | null => (key.asymmetricKeyType === 'ed25519' ? null : 'sha256');

/**
 * Whether a certificate under the pinned authority, of the rule's identity, vouches for these keys. Never throws. Name constraints and path
 * lengths are not looked at: pin an authority whose every certificate counts.
 * @param nowMs when it is to be valid. @returns why not; undefined when all holds.
 */
export function refuseCertificate(
  { authority, spiffeId, commonName }: CertificateIdentity,
  keys: SessionKeys,
  proof: CertificateProof,
  nowMs: number,
): CertificateRefusal | undefined {
  try {
    const [leaf, ...between] = proof.chain.map((der) => new X509Certificate(Buffer.from(der, 'base64')));
    if (leaf === undefined) return 'malformed';
    const path = [leaf, ...between, new X509Certificate(authority)];
    if (!path.every((certificate, at) => at === 0 || isIssuedBy(path[at - 1], certificate)))
      return 'authority';
    if (!path.every((certificate) => isValidAt(certificate, nowMs))) return 'not-valid-now';
    if (leaf.ca || !isForClients(leaf) || !isStrong(leaf.publicKey)) return 'usage';
    const isIdentity =
      spiffeId === undefined ? commonNameOf(leaf) === commonName : spiffeIdOf(leaf) === spiffeId;
    if (!isIdentity) return 'identity';
    return isSigned(leaf.publicKey, keys, proof) ? undefined : 'signature';
  } catch {
    return 'malformed'; // what OpenSSL does not read
  }
}

const isIssuedBy = (certificate: X509Certificate | undefined, authority: X509Certificate): boolean =>
  certificate !== undefined &&
  authority.ca &&
  certificate.checkIssued(authority) &&
  certificate.verify(authority.publicKey);

const isValidAt = ({ validFromDate, validToDate }: X509Certificate, nowMs: number): boolean =>
  validFromDate.getTime() <= nowMs && nowMs < validToDate.getTime();

/** Extended key usages; without any a certificate is for everything. */
const isForClients = ({ keyUsage }: X509Certificate): boolean =>
  (keyUsage as string[] | undefined)?.includes(CLIENT_AUTH) ?? true;

function isStrong({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): boolean {
  if (asymmetricKeyType === 'rsa') return (asymmetricKeyDetails?.modulusLength ?? 0) >= MIN_RSA_BITS;
  if (asymmetricKeyType === 'ec') return asymmetricKeyDetails?.namedCurve === 'prime256v1';
  return asymmetricKeyType === 'ed25519';
}

function isSigned(key: KeyObject, keys: SessionKeys, { notAfter, signature }: CertificateProof): boolean {
  const bytes = fromBase64Url(signature);
  const padding = key.asymmetricKeyType === 'rsa' ? PSS : {};
  return (
    bytes !== undefined &&
    verify(hashFor(key), certificateProofBytes(keys, notAfter), { key, ...padding }, bytes)
  );
}

/** When a proof's own certificate ends; NaN for what does not read. */
export function certificateEndMs({ chain: [leaf = ''] }: CertificateProof): number {
  try {
    return new X509Certificate(Buffer.from(leaf, 'base64')).validToDate.getTime();
  } catch {
    return NaN;
  }
}

/** Names of a proof's certificate, before anything of it is believed. @returns undefined for what does not read. */
export function namesOfCertificate({
  chain: [leaf = ''],
}: Pick<CertificateProof, 'chain'>):
  { readonly spiffeId: string | undefined; readonly commonName: string | undefined } | undefined {
  try {
    const certificate = new X509Certificate(Buffer.from(leaf, 'base64'));
    return { spiffeId: spiffeIdOf(certificate), commonName: commonNameOf(certificate) };
  } catch {
    return undefined;
  }
}

/**
 * The one common name of a certificate; undefined for none, several, or one with anything in it that had to be escaped.
 * INVARIANT: read from the subject's text. `toLegacyObject` of Node 24 crashes the process on some malformed certificates (a fuzz found it).
 */
function commonNameOf({ subject }: Pick<X509Certificate, 'subject'>): string | undefined {
  // One attribute a line; those of a set stand on one, joined by ` + `; line ends and signs within a value are escaped.
  const named = subject.split('\n').filter((line) => /(?:^| \+ )CN=/.test(line));
  const [line = ''] = named;
  return named.length === 1 && /^CN=[^\\+]+$/.test(line) ? line.slice('CN='.length) : undefined;
}

// Node prints names one after another; what has a comma, a quote or a control character in it comes as a JSON string.
const NAME = /([A-Za-z][A-Za-z0-9 ]*):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/y;

/**
 * The SPIFFE id of a certificate. SOURCE: SPIFFE X.509-SVID section 2: exactly one URI among its alternative names.
 * @returns undefined for none or several, and where any of the names cannot be told apart for sure.
 */
export function spiffeIdOf({ subjectAltName }: Pick<X509Certificate, 'subjectAltName'>): string | undefined {
  const names = subjectAltName ?? '';
  const uris: string[] = [];
  NAME.lastIndex = 0;
  while (NAME.lastIndex < names.length) {
    const [, kind, value = ''] = NAME.exec(names) ?? [];
    if (kind === undefined) return undefined;
    if (kind === 'URI') uris.push(value);
  }
  const [uri] = uris;
  return uris.length === 1 && uri?.startsWith('spiffe://') === true ? uri : undefined;
}
