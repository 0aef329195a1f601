// Strength is measured on the bytes: a string made of them could not be wiped.

/** What a value consists of. */
export interface Strength {
  /** Unicode characters, taken from UTF-8 lead bytes; of binary data an estimate. */
  readonly lengthChars: number;
  readonly lower: boolean;
  readonly upper: boolean;
  readonly digit: boolean;
  /** Anything that is neither letter, digit nor white space; every non-ASCII character counts. */
  readonly special: boolean;
  /** See {@link estimateEntropyBits}. */
  readonly entropyBits: number;
}

const inRange = (byte: number, from: string, to: string): boolean =>
  byte >= from.charCodeAt(0) && byte <= to.charCodeAt(0);
const isLower = (byte: number): boolean => inRange(byte, 'a', 'z');
const isUpper = (byte: number): boolean => inRange(byte, 'A', 'Z');
const isDigit = (byte: number): boolean => inRange(byte, '0', '9');
const isSpecial = (byte: number): boolean =>
  byte > 0x20 && byte !== 0x7f && !isLower(byte) && !isUpper(byte) && !isDigit(byte);

/** Measures a value. Deterministic, linear in its size. */
export function measureStrength(bytes: Uint8Array): Strength {
  return {
    lengthChars: bytes.reduce((count, byte) => ((byte & 0xc0) === 0x80 ? count : count + 1), 0),
    lower: bytes.some(isLower),
    upper: bytes.some(isUpper),
    digit: bytes.some(isDigit),
    special: bytes.some(isSpecial),
    entropyBits: estimateEntropyBits(bytes),
  };
}

// Bases of the passwords seen most often in published leaks; each counts as one character wherever it stands.
const COMMON_WORDS = [
  'password', 'passwort', 'passw', 'welcome', 'willkommen', 'letmein', 'qwertyuiop', 'qwerty', 'qwertz', 'asdfgh', 'zxcvbn',
  'admin', 'administrator', 'root', 'login', 'secret', 'changeme', 'default', 'master', 'dragon', 'monkey', 'football', 'baseball',
  'iloveyou', 'sunshine', 'princess', 'superman', 'batman', 'shadow', 'trustno', 'test', 'guest', 'user', 'summer', 'winter',
  'spring', 'autumn', 'keymesh', 'company', 'abc',
].map((word) => Uint8Array.from(Buffer.from(word))); // prettier-ignore

/** `@` for a, `0` for o and the like, in lower case: how people spell a common word to get past a rule. */
const plainLetter = (byte: number): number => {
  const leet: Readonly<Record<string, string>> = {
    '@': 'a',
    '4': 'a',
    '3': 'e',
    '1': 'i',
    '!': 'i',
    '0': 'o',
    $: 's',
    '5': 's',
    '7': 't',
  };
  const letter = leet[String.fromCharCode(byte)];
  if (letter !== undefined) return letter.charCodeAt(0);
  return isUpper(byte) ? byte + 32 : byte;
};

/**
 * A lower estimate of how much a guesser does not know, in bits:
 * `H × n`, where H is the Shannon entropy (bits a character) of the value's own bytes and n the number of characters left after
 * a common word (also in leet spelling) is counted as one character, and a character that repeats or continues
 * a run (`aaa`, `123`, `cba`) as a quarter. A short random value measures below its true entropy, a long one comes close.
 */
export function estimateEntropyBits(bytes: Uint8Array): number {
  if (bytes.length === 0) return 0;
  const counts = new Map<number, number>();
  for (const byte of bytes) counts.set(byte, (counts.get(byte) ?? 0) + 1);
  let bitsPerChar = 0;
  for (const count of counts.values())
    bitsPerChar -= (count / bytes.length) * Math.log2(count / bytes.length);
  return bitsPerChar * effectiveLength(bytes);
}

function effectiveLength(bytes: Uint8Array): number {
  let length = 0;
  for (let at = 0; at < bytes.length;) {
    const word = COMMON_WORDS.find((candidate) => startsWithWord(bytes, at, candidate));
    length += word === undefined && continuesRun(bytes, at) ? 0.25 : 1;
    at += word?.length ?? 1;
  }
  return length;
}

const startsWithWord = (bytes: Uint8Array, at: number, word: Uint8Array): boolean =>
  at + word.length <= bytes.length &&
  word.every((letter, index) => plainLetter(bytes[at + index] ?? 0) === letter);

function continuesRun(bytes: Uint8Array, at: number): boolean {
  const [previous, current] = [bytes[at - 1], bytes[at]];
  return previous !== undefined && current !== undefined && Math.abs(current - previous) <= 1;
}
