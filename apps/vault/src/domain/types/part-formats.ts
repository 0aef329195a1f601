import { isUtf8 } from 'node:buffer';
import type { PartFormat } from '@keymesh/contracts';
import { fromUtf8 } from '@keymesh/kernel';

/** What breaks the format of a part, as the end of a sentence ("The part x must be …"); undefined when nothing does. */
type FormatCheck = (bytes: Uint8Array) => string | undefined;

const isControl = (byte: number): boolean => byte < 0x20 || byte === 0x7f;
const PEM_BEGIN = Buffer.from('-----BEGIN ');
const PEM_END = Buffer.from('-----END ');

// Texts that may be secret are looked at as bytes: a string made of them could not be wiped.
const text: FormatCheck = (bytes) => {
  if (!isUtf8(bytes)) return 'text in UTF-8';
  return bytes.some(isControl) ? 'one line without control characters' : undefined;
};

const pem: FormatCheck = (bytes) => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const begin = buffer.indexOf(PEM_BEGIN);
  return begin >= 0 && buffer.indexOf(PEM_END, begin) > begin
    ? undefined
    : 'PEM, from -----BEGIN … to -----END … and with its line breaks';
};

/** JSON cannot be read without strings: they go with the next garbage collection, unwiped. */
const json: FormatCheck = (bytes) => {
  try {
    const value: unknown = JSON.parse(fromUtf8(bytes));
    return typeof value === 'object' && value !== null ? undefined : 'a JSON object';
  } catch {
    return 'JSON';
  }
};

/** For parts that are no secret. */
const matching =
  (rule: string, matches: (text: string) => boolean): FormatCheck =>
  (bytes) =>
    isUtf8(bytes) && matches(fromUtf8(bytes)) ? undefined : rule;

const HOST =
  /^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?)*\.?|[0-9a-f.]*:[0-9a-f:.]+)$/i;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** RFC 3339 section 5.6, with its zone. */
const TIMESTAMP = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})$/;

export const FORMAT_CHECKS: Readonly<Record<PartFormat, FormatCheck>> = {
  bytes: () => undefined,
  text,
  pem,
  json,
  url: matching('a URL that starts with https:// or http:// and holds no user or password', (value) => {
    const url = URL.canParse(value) ? new URL(value) : undefined;
    return /^https?:$/.test(url?.protocol ?? '') && url?.username === '' && url.password === '';
  }),
  host: matching('a host name or an IP address', (value) => value.length <= 253 && HOST.test(value)),
  port: matching(
    'a port from 1 to 65535',
    (value) => /^[1-9]\d{0,4}$/.test(value) && Number(value) <= 65_535,
  ),
  uuid: matching('a UUID', (value) => UUID.test(value)),
  timestamp: matching(
    'a time of RFC 3339 with its zone, e.g. 2027-01-31T12:00:00Z',
    (value) => TIMESTAMP.test(value) && !Number.isNaN(Date.parse(value)),
  ),
};
