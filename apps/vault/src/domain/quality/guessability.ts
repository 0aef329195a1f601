import { isUtf8 } from 'node:buffer';
import type { ZxcvbnFactory } from '@zxcvbn-ts/core';
import { fromUtf8 } from '@keymesh/kernel';

/**
 * How many bits of a password a guesser does not know who tries names, words, dates, keyboard rows and their spellings first.
 * @param known texts that a guesser tries first: the user name, the credential's name, its provider.
 * @returns undefined for bytes that are not text.
 */
export type GuessBits = (password: Uint8Array, known: readonly string[]) => Promise<number | undefined>;

// zxcvbn's work grows with the square of the length: 50 ms of CPU for 24 random characters, 450 for 72. A password is at least as hard to
// guess as its beginning, so a strong beginning decides, and a weak one is looked at a little longer.
const LOOK_AT_CHARS = [24, 40];
const STRONG_BITS = 64;

let loading: Promise<ZxcvbnFactory> | undefined;

/**
 * The dictionaries take some 60 MB: they are loaded when the first password comes.
 *
 * The estimate needs strings, which cannot be wiped: they go with the next garbage collection. So it is asked only about passwords that
 * people chose, never about keys, tokens or what the vault made.
 */
export const guessBits: GuessBits = async (password, known) => {
  if (!isUtf8(password)) return undefined;
  const zxcvbn = await (loading ??= loadZxcvbn());
  const characters = Array.from(fromUtf8(password));
  const longest = Math.min(characters.length, LOOK_AT_CHARS.at(-1) ?? 0);
  for (const length of LOOK_AT_CHARS) {
    const { guessesLog10 } = zxcvbn.check(characters.slice(0, length).join(''), [...known]);
    const bits = guessesLog10 * Math.log2(10);
    if (bits >= STRONG_BITS || length >= longest) return bits;
  }
  return undefined;
};

async function loadZxcvbn(): Promise<ZxcvbnFactory> {
  const [{ ZxcvbnFactory }, common, english] = await Promise.all([
    import('@zxcvbn-ts/core'),
    import('@zxcvbn-ts/language-common'),
    import('@zxcvbn-ts/language-en'),
  ]);
  return new ZxcvbnFactory({
    dictionary: { ...common.dictionary, ...english.dictionary },
    graphs: common.adjacencyGraphs,
    maxLength: LOOK_AT_CHARS.at(-1) ?? 0,
    useLevenshteinDistance: false,
  });
}
