import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';

// X.509 certificates made at run time, as odd as a spec likes. SOURCE: RFC 5280 section 4.1, X.690 (DER).

export interface TestCertificate {
  readonly pem: string;
  readonly der: Buffer;
  readonly privateKey: KeyObject;
  readonly keyPem: string;
  readonly subject: string;
}

export interface CertificateOptions {
  readonly commonName?: string;
  /** Who signs; absent: itself. */
  readonly by?: Pick<TestCertificate, 'privateKey' | 'subject'>;
  readonly isAuthority?: boolean;
  /** Alternative names, e.g. `['uri', 'spiffe://…']`. */
  readonly names?: readonly (readonly ['uri' | 'dns' | 'email' | 'ip', string])[];
  /** Extended key usages; absent: none said. */
  readonly usages?: readonly ('client' | 'server')[];
  readonly key?: 'ec' | 'rsa' | 'rsa-1024' | 'ed25519' | 'p384';
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

const DAY_MS = 86_400_000;

export function makeCertificate(options: CertificateOptions = {}): TestCertificate {
  const { commonName = 'test', by, isAuthority = false, usages, names = [], key = 'ec' } = options;
  const { privateKey, publicKey } = makeKeyPair(key);
  const signer = by?.privateKey ?? privateKey;
  const algorithm = signatureAlgorithm(signer);
  const extensions = [
    ...(isAuthority ? [extension('2.5.29.19', sequence(der(0x01, Buffer.of(0xff))), true)] : []),
    ...(usages === undefined
      ? []
      : [extension('2.5.29.37', sequence(...usages.map((usage) => oid(USAGES[usage]))))]),
    ...(names.length === 0 ? [] : [extension('2.5.29.17', sequence(...names.map(alternativeName)))]),
  ];
  const toBeSigned = sequence(
    der(0xa0, integer(Buffer.of(2))),
    integer(Buffer.concat([Buffer.of(1), randomBytes(15)])),
    algorithm,
    nameOf(by?.subject ?? commonName),
    sequence(
      time(options.notBefore ?? new Date(Date.now() - DAY_MS)),
      time(options.notAfter ?? new Date(Date.now() + DAY_MS)),
    ),
    nameOf(commonName),
    publicKey.export({ format: 'der', type: 'spki' }),
    ...(extensions.length === 0 ? [] : [der(0xa3, sequence(...extensions))]),
  );
  const signature = sign(signer.asymmetricKeyType === 'ed25519' ? null : 'sha256', toBeSigned, signer);
  const whole = sequence(toBeSigned, algorithm, der(0x03, Buffer.of(0), signature));
  return {
    der: whole,
    pem: pemOf(whole),
    privateKey,
    keyPem: privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
    subject: commonName,
  };
}

const USAGES = { client: '1.3.6.1.5.5.7.3.2', server: '1.3.6.1.5.5.7.3.1' } as const;

function makeKeyPair(kind: NonNullable<CertificateOptions['key']>) {
  if (kind === 'ed25519') return generateKeyPairSync('ed25519');
  if (kind === 'ec') return generateKeyPairSync('ec', { namedCurve: 'P-256' });
  if (kind === 'p384') return generateKeyPairSync('ec', { namedCurve: 'P-384' });
  return generateKeyPairSync('rsa', { modulusLength: kind === 'rsa' ? 2_048 : 1_024 });
}

function signatureAlgorithm({ asymmetricKeyType }: KeyObject): Buffer {
  if (asymmetricKeyType === 'ed25519') return sequence(oid('1.3.101.112'));
  if (asymmetricKeyType === 'ec') return sequence(oid('1.2.840.10045.4.3.2'));
  return sequence(oid('1.2.840.113549.1.1.11'), Buffer.of(0x05, 0));
}

const pemOf = (bytes: Buffer): string => {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
};

function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  const size = content.length;
  const length =
    size < 0x80
      ? Buffer.of(size)
      : size < 0x100
        ? Buffer.of(0x81, size)
        : Buffer.of(0x82, size >> 8, size & 0xff);
  return Buffer.concat([Buffer.of(tag), length, content]);
}
const sequence = (...contents: readonly Uint8Array[]): Buffer => der(0x30, ...contents);
const integer = (bytes: Uint8Array): Buffer => der(0x02, bytes);

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second, ...rest].flatMap((arc) => {
    const digits = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) digits.unshift((left & 0x7f) | 0x80);
    return digits;
  });
  return der(0x06, Buffer.from(bytes));
}

const nameOf = (commonName: string): Buffer =>
  sequence(der(0x31, sequence(oid('2.5.4.3'), der(0x0c, Buffer.from(commonName)))));

// Two digits of the year: all that RFC 5280 section 4.1.2.5 lets be before 2050.
const time = (date: Date): Buffer =>
  der(0x17, Buffer.from(`${date.toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`));

const extension = (id: string, value: Buffer, critical = false): Buffer =>
  sequence(oid(id), ...(critical ? [der(0x01, Buffer.of(0xff))] : []), der(0x04, value));

const NAME_TAGS = { email: 0x81, dns: 0x82, uri: 0x86, ip: 0x87 } as const;
const alternativeName = ([kind, text]: readonly [keyof typeof NAME_TAGS, string]): Buffer =>
  der(
    NAME_TAGS[kind],
    kind === 'ip' ? Buffer.from(text.split('.').map(Number)) : Buffer.from(text, 'latin1'),
  );
