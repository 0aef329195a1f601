import { createPublicKey, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';

// X.509 for specs, made at run time: just enough DER (X.690) for RFC 5280 version 3.
const tlv = (tag: number, ...contents: readonly Uint8Array[]): Buffer => {
  const body = Buffer.concat(contents);
  const size = body.length.toString(16);
  const long = Buffer.from(size.padStart(size.length + (size.length % 2), '0'), 'hex');
  const length =
    body.length < 128 ? Buffer.of(body.length) : Buffer.concat([Buffer.of(0x80 | long.length), long]);
  return Buffer.concat([Buffer.of(tag), length, body]);
};
const sequence = (...contents: readonly Uint8Array[]) => tlv(0x30, ...contents);
const oid = (hex: string) => tlv(0x06, Buffer.from(hex, 'hex'));
const ED25519 = sequence(oid('2b6570'));
const nameOf = (commonName: string) =>
  sequence(tlv(0x31, sequence(oid('550403'), tlv(0x0c, Buffer.from(commonName)))));
const timeOf = (ms: number) =>
  tlv(0x18, Buffer.from(`${new Date(ms).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`));

export interface Issuer {
  readonly name: string;
  readonly key: KeyObject;
}

export interface MadeCertificate extends Issuer {
  readonly pem: string;
  readonly keyPem: string;
}

/** @param issuer absent: self-signed. Times in milliseconds since the epoch. */
export function makeCertificate({
  name,
  issuer,
  hosts = [],
  from = Date.now() - 3_600_000,
  until = Date.now() + 86_400_000,
  key = generateKeyPairSync('ed25519').privateKey,
}: {
  readonly name: string;
  readonly issuer?: Issuer;
  readonly hosts?: readonly string[];
  readonly from?: number;
  readonly until?: number;
  readonly key?: KeyObject;
}): MadeCertificate {
  const serial = randomBytes(8);
  serial[0] = 1; // positive
  const isAuthority = hosts.length === 0;
  const extensions = [
    isAuthority
      ? sequence(oid('551d13'), tlv(0x01, Buffer.of(0xff)), tlv(0x04, sequence(tlv(0x01, Buffer.of(0xff)))))
      : [],
    isAuthority
      ? []
      : sequence(oid('551d11'), tlv(0x04, sequence(...hosts.map((host) => tlv(0x82, Buffer.from(host)))))),
  ].flatMap((extension) => (Array.isArray(extension) ? [] : [extension]));
  const content = sequence(
    tlv(0xa0, tlv(0x02, Buffer.of(2))),
    tlv(0x02, serial),
    ED25519,
    nameOf(issuer?.name ?? name),
    sequence(timeOf(from), timeOf(until)),
    nameOf(name),
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    tlv(0xa3, sequence(...extensions)),
  );
  const signature = sign(null, content, issuer?.key ?? key);
  const der = sequence(content, ED25519, tlv(0x03, Buffer.of(0), signature));
  const lines = der.toString('base64').replace(/.{1,64}/g, '$&\n');
  return {
    name,
    key,
    pem: `-----BEGIN CERTIFICATE-----\n${lines}-----END CERTIFICATE-----\n`,
    keyPem: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}
