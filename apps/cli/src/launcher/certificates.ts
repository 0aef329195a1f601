import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  type KeyObject,
} from 'node:crypto';

// X.509 certificates of the two kinds that an embedded NATS server needs; Node reads certificates and makes none.
// The encoding stands in libs/testing too: certificates there are as odd as a spec likes, and the product takes nothing from it.
// SOURCE: RFC 5280 section 4.1, ITU-T X.690 (DER), RFC 5758 section 3.2 (ECDSA with SHA-256).

/** A certificate and its private key (P-256, PKCS #8), both PEM. */
export interface MadeCertificate {
  readonly certificate: string;
  readonly key: string;
}

interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

interface ToSign extends Validity {
  readonly subject: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  readonly extensions: readonly Buffer[];
}

/** Makes an authority that signs servers' certificates and no further authority. Random. */
export function makeAuthority(name: string, validity: Validity): MadeCertificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const extensions = [
    extension('2.5.29.19', sequence(der(0x01, Buffer.of(0xff)), der(0x02, Buffer.of(0))), 'critical'),
    // keyCertSign alone.
    extension('2.5.29.15', der(0x03, Buffer.of(2, 0x04)), 'critical'),
    extension('2.5.29.14', der(0x04, keyIdOf(publicKey))),
  ];
  const certificate = signed({ subject: name, issuer: name, publicKey, extensions, ...validity }, privateKey);
  return { certificate, key: pemOfKey(privateKey) };
}

/** Makes a server's certificate for `localhost` and 127.0.0.1. Random. @param by its authority: the name, and the key in PEM. */
export function makeServerCertificate(
  by: { readonly name: string; readonly key: string },
  validity: Validity,
): MadeCertificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const names = sequence(der(0x82, Buffer.from('localhost')), der(0x87, Buffer.of(127, 0, 0, 1)));
  const extensions = [
    extension('2.5.29.19', sequence(), 'critical'),
    // digitalSignature alone; for servers alone.
    extension('2.5.29.15', der(0x03, Buffer.of(7, 0x80)), 'critical'),
    extension('2.5.29.37', sequence(oid('1.3.6.1.5.5.7.3.1'))),
    extension('2.5.29.17', names),
  ];
  const content = { subject: 'nats', issuer: by.name, publicKey, extensions, ...validity };
  return { certificate: signed(content, createPrivateKey(by.key)), key: pemOfKey(privateKey) };
}

function signed(
  { subject, issuer, publicKey, extensions, notBefore, notAfter }: ToSign,
  by: KeyObject,
): string {
  const algorithm = sequence(oid('1.2.840.10045.4.3.2'));
  const content = sequence(
    der(0xa0, integer(Buffer.of(2))),
    // Positive, and 120 random bits.
    integer(Buffer.concat([Buffer.of(1), randomBytes(15)])),
    algorithm,
    nameOf(issuer),
    sequence(time(notBefore), time(notAfter)),
    nameOf(subject),
    publicKey.export({ format: 'der', type: 'spki' }),
    der(0xa3, sequence(...extensions)),
  );
  const whole = sequence(content, algorithm, der(0x03, Buffer.of(0), sign('sha256', content, by)));
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

const pemOfKey = (key: KeyObject): string => key.export({ format: 'pem', type: 'pkcs8' }) as string;
const keyIdOf = (key: KeyObject): Buffer =>
  createHash('sha256')
    .update(key.export({ format: 'der', type: 'spki' }))
    .digest()
    .subarray(0, 20);

function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), content]);
  const size = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
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

/** UTCTime before 2050, GeneralizedTime from then on. SOURCE: RFC 5280 section 4.1.2.5 */
function time(date: Date): Buffer {
  const text = `${date.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;
  return date.getUTCFullYear() < 2050 ? der(0x17, Buffer.from(text.slice(2))) : der(0x18, Buffer.from(text));
}

const extension = (id: string, value: Buffer, critical?: 'critical'): Buffer =>
  sequence(oid(id), ...(critical === undefined ? [] : [der(0x01, Buffer.of(0xff))]), der(0x04, value));
