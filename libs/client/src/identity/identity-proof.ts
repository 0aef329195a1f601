import { constants, createPrivateKey, sign, X509Certificate, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import {
  certificateProofBytes,
  failure,
  MAX_TOKEN_CHARS,
  type CertificateProof,
  type SessionKeys,
  type SessionRequest,
} from '@keymesh/contracts';
import { HOUR, SECOND, toBase64Url } from '@keymesh/kernel';
import { z } from 'zod';

/** Where a proof of identity is: files that somebody else keeps fresh, so they are read each time. */
export const identitySource = z.union([
  /** A token of an issuer: OpenID Connect, or a projected Kubernetes service-account token. */
  z.strictObject({ tokenFile: z.string() }),
  /** A client certificate (PEM, with the authority between it and the pinned one if there is one) and its key (PKCS #8 PEM). */
  z.strictObject({ certificateFile: z.string(), keyFile: z.string() }),
]);
export type IdentitySource = z.output<typeof identitySource>;

export type Proof =
  Pick<Extract<SessionRequest, { token: string }>, 'token'> | { readonly certificate: CertificateProof };

/**
 * When a proof ends by its own words, which nobody has checked: to tell its bearer, and for nothing else.
 * @returns ms of the epoch; undefined when it does not say.
 */
export function endOfProof(proof: Proof): number | undefined {
  try {
    if ('certificate' in proof)
      return new X509Certificate(
        Buffer.from(proof.certificate.chain[0] ?? '', 'base64'),
      ).validToDate.getTime();
    const [, payload = ''] = proof.token.split('.');
    const { exp } = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as {
      readonly exp?: unknown;
    };
    return Number.isSafeInteger(exp) && Number(exp) < LAST_SECOND ? Number(exp) * SECOND : undefined;
  } catch {
    return undefined; // INVARIANT: the parser's text quotes the token.
  }
}

/** The last one that a date can name. */
const LAST_SECOND = 8_640_000_000_000;

/** How long a certificate vouches for a session's keys at most; the rule may say less. */
const CERTIFICATE_HOURS = 24;

/** Reads the proof and binds it to a session's keys. @throws PROFILE_INVALID when its files cannot be used. */
export async function readProof(source: IdentitySource, keys: SessionKeys, nowMs: number): Promise<Proof> {
  if ('tokenFile' in source) {
    const token = (await read(source.tokenFile)).trim();
    if (token === '' || token.length > MAX_TOKEN_CHARS) throw unusable('The token file holds no token.');
    return { token };
  }
  const notAfter = new Date(nowMs + CERTIFICATE_HOURS * HOUR).toISOString();
  const [chain, key] = await Promise.all([read(source.certificateFile), read(source.keyFile)]);
  return { certificate: signWithCertificate(keys, notAfter, chain, key) };
}

function signWithCertificate(
  keys: SessionKeys,
  notAfter: string,
  chainPem: string,
  keyPem: string,
): CertificateProof {
  try {
    const key = createPrivateKey(keyPem);
    const signature = sign(hashFor(key), certificateProofBytes(keys, notAfter), {
      key,
      // SOURCE: RFC 8017 section 8.1; a salt as long as the hash.
      ...(key.asymmetricKeyType === 'rsa'
        ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
        : {}),
    });
    const chain = certificatesOf(chainPem);
    if (chain.length === 0) throw new TypeError('no certificate');
    return { chain, notAfter, signature: toBase64Url(new Uint8Array(signature)) };
  } catch {
    // INVARIANT: the parser's text may quote the file, which holds a key.
    throw unusable('The certificate or its key cannot be read. Both are PEM, the key in PKCS #8.');
  }
}

const hashFor = (key: KeyObject): string | null => (key.asymmetricKeyType === 'ed25519' ? null : 'sha256');

/** The certificate and what is between it and an authority; an authority's own is not sent, because the rule pins it. */
function certificatesOf(pem: string): string[] {
  const found = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return found
    .map((text) => new X509Certificate(text))
    .filter((certificate, at) => at === 0 || certificate.subject !== certificate.issuer)
    .slice(0, 2)
    .map(({ raw }) => raw.toString('base64'));
}

const read = (file: string): Promise<string> =>
  readFile(file, 'utf8').catch((cause: unknown) => {
    throw unusable('A file that proves this identity cannot be read. Check its path and permissions.', cause);
  });

const unusable = (publicMessage: string, cause?: unknown) =>
  failure('PROFILE_INVALID', { publicMessage, cause });
