import { randomInt } from 'node:crypto';

// Lower-case letters and digits: they look the same in a name, in JSON, in a URL and in a shell.
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** A text that appears nowhere by chance: 16 letters and digits, about 82 bits. */
export const makeMarker = (): string =>
  Array.from({ length: 16 }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');

/** A value that a leak of either half would betray: the marker stands at its beginning and its end. */
export const canaryValue = (marker: string, sort: string): string => `${marker}-"A\\9!<${sort}>-${marker}`;

/** One way in which a text can stand in bytes. */
export interface Form {
  readonly form: string;
  readonly bytes: Buffer;
}

/** Every form in which a marker is looked for. */
export function formsOf(marker: string): Form[] {
  const bytes = Buffer.from(marker, 'utf8');
  const forms: Form[] = [
    { form: 'plain', bytes },
    { form: 'hex', bytes: Buffer.from(bytes.toString('hex')) },
    { form: 'HEX', bytes: Buffer.from(bytes.toString('hex').toUpperCase()) },
    { form: 'UTF-16', bytes: Buffer.from(marker, 'utf16le') },
    { form: 'reversed', bytes: Buffer.from(bytes).reverse() },
    { form: 'escaped', bytes: Buffer.from(marker.replaceAll(/./g, escapeOf)) },
  ];
  for (const offset of [0, 1, 2]) {
    forms.push({ form: `base64+${String(offset)}`, bytes: inBase64(bytes, offset, 'base64') });
    forms.push({ form: `base64url+${String(offset)}`, bytes: inBase64(bytes, offset, 'base64url') });
  }
  return forms;
}

const escapeOf = (letter: string): string => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** The digits that are the same whatever stands before and behind, when the marker begins `offset` bytes into a group of three. */
function inBase64(bytes: Buffer, offset: number, encoding: 'base64' | 'base64url'): Buffer {
  const text = Buffer.concat([Buffer.alloc(offset), bytes])
    .toString(encoding)
    .replaceAll('=', '');
  const first = Math.ceil((offset * 8) / 6);
  const last = Math.floor(((offset + bytes.length) * 8) / 6);
  return Buffer.from(text.slice(first, last));
}

/** Names of the markers that stand in these bytes, with their forms. */
export function findMarkers(bytes: Buffer, markers: Readonly<Record<string, readonly Form[]>>): string[] {
  return Object.entries(markers).flatMap(([name, forms]) =>
    forms.filter((form) => bytes.includes(form.bytes)).map(({ form }) => `${name} (${form})`),
  );
}

/** How often a marker stands in these bytes, in any of its forms. */
export function countForms(bytes: Buffer, forms: readonly Form[]): number {
  let count = 0;
  for (const { bytes: form } of forms)
    for (let at = bytes.indexOf(form); at >= 0; at = bytes.indexOf(form, at + 1)) count += 1;
  return count;
}
