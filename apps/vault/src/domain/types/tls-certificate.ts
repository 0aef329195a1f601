import { X509Certificate } from 'node:crypto';
import type { Secret } from '@keymesh/kernel';
import { invalidPart } from './check-values.js';
import type { CredentialTypePlugin } from './plugin.js';
import { isWeakKey, readPrivateKey, securityBitsOf, WEAK_KEY } from './private-key.js';

const NO_NAMES = {
  rule: 'no-names',
  strictness: 'warn',
  advice:
    'It names no host under subject alternative names, and clients look nowhere else (RFC 9525). Have it issued with them.',
} as const;
const NOT_YET_VALID = {
  rule: 'not-yet-valid',
  strictness: 'warn',
  advice: 'It is not valid yet. Check the clock, or wait with handing it out.',
} as const;

/** A certificate with its chain and private key, as a TLS server takes them. It ends when the first certificate of the chain does. */
export const tlsCertificate: CredentialTypePlugin = {
  type: 'tls_certificate',
  summary: 'A TLS certificate with its chain and private key.',
  parts: [
    {
      name: 'certificate',
      summary: 'the certificate, then those that issued it, in PEM',
      secret: false,
      required: true,
      maxBytes: 49_152,
      format: 'pem',
    },
    {
      name: 'private_key',
      summary: 'its private key in PEM, without a passphrase',
      secret: true,
      required: true,
      maxBytes: 16_384,
      format: 'pem',
    },
  ],
  primaryPart: 'private_key',
  policy: { maxAgeDays: null },
  rules: [WEAK_KEY, NO_NAMES, NOT_YET_VALID],
  inspect({ certificate, private_key: privateKey }, nowMs) {
    const chain = readChain(certificate);
    const [leaf] = chain;
    if (leaf === undefined || privateKey === undefined)
      throw invalidPart('certificate', 'must be a certificate');
    checkOrder(chain);
    const key = readPrivateKey('private_key', privateKey);
    if (!leaf.checkPrivateKey(key))
      throw invalidPart('private_key', 'must belong to the first certificate: it is another key');
    const securityBits = securityBitsOf(key);
    return {
      broken: [
        ...(isWeakKey(securityBits) ? [WEAK_KEY.rule] : []),
        ...(leaf.subjectAltName === undefined ? [NO_NAMES.rule] : []),
        ...(Date.parse(leaf.validFrom) > nowMs ? [NOT_YET_VALID.rule] : []),
      ],
      ...(securityBits === undefined ? {} : { securityBits }),
      expiresAtMs: Math.min(...chain.map(({ validTo }) => Date.parse(validTo))),
      facts: {
        subject: leaf.subject.replaceAll('\n', ', '),
        names: leaf.subjectAltName ?? '',
        issuer: leaf.issuer.replaceAll('\n', ', '),
        sha256: leaf.fingerprint256,
        certificates: String(chain.length),
      },
    };
  },
  readsExpiry: true,
  // PEM is base64 of long structures, and a chain names the same issuers again and again.
  compress: true,
  rotationAdapters: [],
};

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[^-]+-----END \1-----/g;

function readChain(part: Secret | undefined): X509Certificate[] {
  // EXPOSE: certificates are public; a block that is none is refused, and its text goes nowhere.
  const text = Buffer.from(part?.expose() ?? []).toString('latin1');
  const blocks = [...text.matchAll(BLOCK)];
  if (blocks.some(([, label]) => label !== 'CERTIFICATE'))
    throw invalidPart(
      'certificate',
      'must hold nothing but certificates: a key belongs into the part private_key',
    );
  try {
    return blocks.map(([block]) => new X509Certificate(block));
  } catch {
    throw invalidPart('certificate', 'must be certificates in PEM');
  }
}

/** Each certificate is issued by the next: the order of RFC 8446 section 4.4.2. */
function checkOrder(chain: readonly X509Certificate[]): void {
  const isIssued = chain.every((issued, at) => {
    const issuer = chain[at + 1];
    return issuer === undefined || (issued.checkIssued(issuer) && issued.verify(issuer.publicKey));
  });
  if (!isIssued)
    throw invalidPart(
      'certificate',
      'must be in order: the certificate first, and each issued by the one after it',
    );
}
