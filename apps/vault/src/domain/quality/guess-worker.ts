import { parentPort } from 'node:worker_threads';
import { ZxcvbnFactory } from '@zxcvbn-ts/core';
import { adjacencyGraphs, dictionary as common } from '@zxcvbn-ts/language-common';
import { dictionary as english } from '@zxcvbn-ts/language-en';
// Run as it is by node, here and in specs: types only, nothing else of ours.
import type { GuessQuestion, GuessAnswer } from './guessability.js';

// zxcvbn's work grows with the square of the length: 50 ms of CPU for 24 random characters, 450 for 72. A password is at least as hard to
// guess as its beginning, so a strong beginning decides, and a weak one is looked at a little longer.
const LOOK_AT_CHARS = [24, 40];
const STRONG_BITS = 64;

const zxcvbn = new ZxcvbnFactory({
  dictionary: { ...common, ...english },
  graphs: adjacencyGraphs,
  maxLength: Math.max(...LOOK_AT_CHARS),
  useLevenshteinDistance: false,
});
const decoder = new TextDecoder();

function bitsOf(password: string, known: readonly string[]): number {
  const characters = Array.from(password);
  let bits = 0;
  for (const length of LOOK_AT_CHARS) {
    bits = zxcvbn.check(characters.slice(0, length).join(''), [...known]).guessesLog10 * Math.log2(10);
    if (bits >= STRONG_BITS || length >= characters.length) break;
  }
  return bits;
}

parentPort?.on('message', ({ id, password, known }: GuessQuestion) => {
  const texts = known.map((text) => decoder.decode(text));
  const answer: GuessAnswer = { id, bits: bitsOf(decoder.decode(password), texts) };
  for (const bytes of [password, ...known]) bytes.fill(0);
  parentPort?.postMessage(answer);
});
