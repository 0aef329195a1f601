import { randomBytes } from 'node:crypto';
import { KeymeshError, Secret, utf8 } from '@keymesh/kernel';

const LOWER = 'abcdefghijklmnopqrstuvwxyz';
const DIGITS = '0123456789';
/** No quotes, backslash, dollar, ampersand, space or slash: safe in shells, connection strings and SQL literals. */
const SPECIALS = '-_.~!@#%^*+=';
const CLASSES = [LOWER, LOWER.toUpperCase(), DIGITS, SPECIALS].map(utf8);
const CHARSET = Uint8Array.from(CLASSES.flatMap((chars) => [...chars]));
const MIN_CHARS = 8;
const MAX_CHARS = 1_024;

/**
 * Makes a random password or API key: uniform among all texts of this length that have a lower-case letter, an upper-case letter, a
 * digit and a special character ({@link SPECIALS}). 6.2 bits a character.
 * @param lengthChars 8 to 1,024. @returns ASCII bytes; the caller disposes them. @throws BAD_REQUEST for another length.
 */
export function makeRandomValue(lengthChars: number): Secret<'generated-value'> {
  if (!Number.isInteger(lengthChars) || lengthChars < MIN_CHARS || lengthChars > MAX_CHARS) {
    throw new KeymeshError('BAD_REQUEST', {
      publicMessage: `A generated value has ${MIN_CHARS} to ${MAX_CHARS} characters.`,
    });
  }
  const value = new Uint8Array(lengthChars);
  // Whole values are drawn again until all classes are there: putting one of each in by hand would not be uniform.
  do fillUniform(value, CHARSET);
  while (!CLASSES.every((chars) => value.some((char) => chars.includes(char))));
  return new Secret(value, 'generated-value');
}

/** Draws each byte from `charset` without bias: random bytes past the last whole multiple of its size are thrown away. */
export function fillUniform(value: Uint8Array, charset: Uint8Array): void {
  const limit = 256 - (256 % charset.length);
  for (let at = 0; at < value.length;) {
    const random = randomBytes(value.length - at);
    for (const byte of random) if (byte < limit) value[at++] = charset[byte % charset.length] ?? 0;
    random.fill(0);
  }
}
