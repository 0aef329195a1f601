// PEM of secret keys on bytes, without a string of them (RFC 7468; OpenSSH uses the same armour with 70 characters a line).
const ALPHABET = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');
const VALUES = new Map([...ALPHABET].map((char, value) => [char, value]));
const PAD = 0x3d;
const NEWLINE = 0x0a;
const LINE_CHARS = 64;

const begin = (label: string): Buffer => Buffer.from(`-----BEGIN ${label}-----`);
const end = (label: string): Buffer => Buffer.from(`-----END ${label}-----`);

/** @param der the caller keeps ownership and wipes it. @returns the armoured bytes, with a newline at the end. */
export function toPem(label: string, der: Uint8Array): Uint8Array {
  const chars = Math.ceil(der.length / 3) * 4;
  const lines = Math.ceil(chars / LINE_CHARS);
  const pem = Buffer.alloc(begin(label).length + 1 + chars + lines + end(label).length + 1);
  let at = begin(label).copy(pem);
  pem[at++] = NEWLINE;
  for (let char = 0; char < chars; char += 1) {
    pem[at++] = charAt(der, char);
    if ((char + 1) % LINE_CHARS === 0 || char + 1 === chars) pem[at++] = NEWLINE;
  }
  at += end(label).copy(pem, at);
  pem[at] = NEWLINE;
  return new Uint8Array(pem.buffer, pem.byteOffset, pem.length);
}

/** The n-th character of the base64 of `bytes` (RFC 4648 section 4). */
function charAt(bytes: Uint8Array, char: number): number {
  const from = Math.floor(char / 4) * 3;
  const place = char % 4;
  if (from + place - 1 >= bytes.length) return PAD;
  const [a, b, c] = [bytes[from] ?? 0, bytes[from + 1] ?? 0, bytes[from + 2] ?? 0];
  const sextets = [a >>> 2, ((a & 3) << 4) | (b >>> 4), ((b & 15) << 2) | (c >>> 6), c & 63];
  return ALPHABET[sextets[place] ?? 0] ?? PAD;
}

/** The bytes of the first block with this label; the caller wipes them. @returns undefined when there is none or it is not base64. */
export function fromPem(label: string, pem: Uint8Array): Uint8Array | undefined {
  const text = Buffer.from(pem.buffer, pem.byteOffset, pem.length);
  const from = text.indexOf(begin(label));
  const to = text.indexOf(end(label), Math.max(from, 0));
  if (from < 0 || to < from) return undefined;
  const body = text.subarray(from + begin(label).length, to).filter((byte) => byte > 0x20 && byte !== PAD);
  try {
    return decode(body);
  } finally {
    body.fill(0);
  }
}

function decode(body: Uint8Array): Uint8Array | undefined {
  if (body.length % 4 === 1) return undefined;
  const bytes = new Uint8Array(Math.floor((body.length * 3) / 4));
  let [at, bits, held] = [0, 0, 0];
  for (const char of body) {
    const value = VALUES.get(char);
    if (value === undefined) {
      bytes.fill(0);
      return undefined;
    }
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) bytes[at++] = (held >>> (bits -= 8)) & 0xff;
  }
  return bytes;
}
