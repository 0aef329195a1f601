import { describe, expect, test } from '@jest/globals';
import { Secret } from '@keymesh/kernel';
import fc from 'fast-check';
import { combine } from 'shamir-secret-sharing';
import { choicesOf, makeSplit, refusal, secretText, shown, textOf } from '../test/support.js';
import { checkShares, joinShares, readShare, splitRecoveryKey, type RecoveryShare } from './index.js';

const INVALID = 'RECOVERY_SHARES_INVALID';
const altered = (share: RecoveryShare, at: number, bit = 0): RecoveryShare => {
  const bytes = Uint8Array.from(share.body.expose());
  bytes[at]! ^= 1 << bit;
  return { ...share, body: new Secret(bytes, 'recovery-share') };
};

describe('recovery shares', () => {
  test('any three of five give the key, in any order; so do all five', async () => {
    const { privateKey, shares } = await makeSplit();
    for (const chosen of choicesOf(shares(), 3))
      expect((await joinShares(chosen.reverse())).equals(privateKey)).toBe(true);
    expect((await joinShares(shares())).equals(privateKey)).toBe(true);
  });

  test('hold for every split from 2 of 2', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: 32 }), fc.nat(), async (count, more) => {
        const threshold = 2 + (more % (count - 1));
        const { privateKey, shares } = await makeSplit(count, threshold);
        const chosen = shares().slice(count - threshold);
        expect((await joinShares(chosen)).equals(privateKey)).toBe(true);
        expect(await refusal(() => joinShares(chosen.slice(1)))).toMatchObject({ code: INVALID });
      }),
      { numRuns: 30 },
    );
  });

  test('too few are refused, though the library would give a wrong key without a word', async () => {
    const { privateKey, shares } = await makeSplit();
    for (const chosen of choicesOf(shares(), 2)) {
      const wrong = await combine(chosen.map(({ body }) => body.expose()));
      expect(Buffer.from(wrong).toString('hex')).not.toBe(shown(privateKey)); // what we protect from
      expect(await refusal(() => joinShares(chosen))).toMatchObject({ code: INVALID });
    }
    const { sentence } = await refusal(() => checkShares(shares().slice(0, 2)));
    expect(sentence).toBe('2 of 3 needed shares are here. Bring the others.');
    expect(await refusal(() => joinShares([]))).toMatchObject({ code: INVALID });
  });

  test('too few that claim a lower threshold are refused all the same', async () => {
    const { shares } = await makeSplit();
    const liars = shares()
      .slice(0, 2)
      .map((share) => ({ ...share, threshold: 2 }));
    expect(await refusal(() => joinShares(liars))).toMatchObject({ code: INVALID });
  });

  test('duplicated ones count once, also under another index', async () => {
    const [one, two] = (await makeSplit()).shares();
    const { code, sentence } = await refusal(() => joinShares([one!, two!, two!]));
    expect({ code, sentence }).toEqual({
      code: INVALID,
      sentence: 'Share 2 is given twice. Each counts once.',
    });
    expect(await refusal(() => joinShares([one!, two!, { ...two!, index: 3 }]))).toMatchObject({
      code: INVALID,
    });
  });

  test('foreign ones are refused: of another key, of another split of the same key, of a key that is not wanted', async () => {
    const mine = await makeSplit();
    const [one, two, three] = mine.shares();
    const other = await makeSplit();
    const again = await splitRecoveryKey(mine.privateKey, { shares: 5, threshold: 4 });
    expect((await refusal(() => joinShares([one!, two!, other.shares()[2]!]))).sentence).toMatch(
      /another recovery key/,
    );
    expect((await refusal(() => joinShares([one!, two!, readShare(again[2]!)]))).sentence).toMatch(
      /another split/,
    );
    expect(await refusal(() => joinShares([one!, two!, three!], other.recovery.keyId))).toMatchObject({
      code: INVALID,
    });
    // The same split parameters, other polynomials: only the commitment to the result can tell.
    const third = await splitRecoveryKey(mine.privateKey, { shares: 5, threshold: 3 });
    expect(await refusal(() => joinShares([one!, two!, readShare(third[2]!)]))).toMatchObject({
      code: INVALID,
    });
  });

  test('every altered bit of a share is caught, by the commitment where the checksum was made anew', async () => {
    const [one, two, three] = (await makeSplit()).shares();
    for (let at = 0; at < 33; at += 1)
      for (let bit = 0; bit < 8; bit += 1)
        expect(await refusal(() => joinShares([one!, two!, altered(three!, at, bit)]))).toMatchObject({
          code: INVALID,
        });
    const commitment = Uint8Array.from(one!.commitment);
    commitment[0]! ^= 1;
    const all = [one!, two!, three!].map((share) => ({ ...share, commitment }));
    expect(await refusal(() => joinShares(all))).toMatchObject({ code: INVALID });
  });

  test('are split only into numbers that make sense', async () => {
    const { privateKey } = await makeSplit();
    for (const [shares, threshold] of [
      [1, 1],
      [5, 1],
      [3, 4],
      [33, 3],
      [2.5, 2],
      [0, 0],
      [5, Number.NaN],
    ] as const)
      expect(await refusal(() => splitRecoveryKey(privateKey, { shares, threshold }))).toMatchObject({
        code: 'USAGE',
      });
  });
});

describe('a share as text', () => {
  test('is one line a person can store, and takes case, spaces and line ends', async () => {
    const { texts, shares } = await makeSplit();
    const text = textOf(texts[0]!);
    expect(text).toMatch(/^keymesh-share(-[02-9ac-hj-np-z]{8}){18}$/);
    const typed = ` ${text.toUpperCase().replaceAll('-', ' - ').replace('KEYMESH - SHARE', 'KEYMESH-SHARE')}\r\n`;
    expect(readShare(secretText(typed)).body.equals(shares()[0]!.body)).toBe(true);
  });

  test('is refused with any letter changed, left out, doubled or swapped', async () => {
    const { texts } = await makeSplit();
    const text = textOf(texts[0]!);
    const letters = [...Array(text.length).keys()].filter(
      (at) => at > 'keymesh-share'.length && text[at] !== '-',
    );
    for (const at of letters) {
      const other = text[at] === 'q' ? 'p' : 'q';
      for (const wrong of [
        text.slice(0, at) + other + text.slice(at + 1),
        text.slice(0, at) + text.slice(at + 1),
        text.slice(0, at) + text[at]! + text.slice(at),
      ])
        expect(await refusal(() => readShare(secretText(wrong)))).toMatchObject({ code: INVALID });
      const next = letters[letters.indexOf(at) + 1];
      if (next === undefined || text[next] === text[at]) continue;
      const swapped = Array.from(text);
      [swapped[at], swapped[next]] = [text[next]!, text[at]!];
      expect(await refusal(() => readShare(secretText(swapped.join(''))))).toMatchObject({ code: INVALID });
    }
  });

  test('is refused at every other length, of another kind, and as rubbish; and no sentence repeats it', async () => {
    const { texts } = await makeSplit();
    const text = textOf(texts[0]!);
    const wrong = Array.from(text.slice(0, -1), (_, at) => text.slice(0, at));
    for (const bad of [
      ...wrong,
      `${text}qqqqqqqq`,
      text.replace('share', 'recovery'),
      'keymesh-share-!',
      '\u0000',
      '💡',
    ]) {
      const { code, sentence } = await refusal(() => readShare(secretText(bad)));
      expect(code).toBe(INVALID);
      expect(sentence).not.toContain(text.slice(20, 28));
    }
  });
});
