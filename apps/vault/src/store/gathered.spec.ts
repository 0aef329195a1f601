import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { makeGathered } from './gathered.js';

/** Doubles numbers, and remembers what it was asked. */
function makeDoubling(most = 100) {
  const asked: (readonly number[])[] = [];
  const double = makeGathered<number, number>((numbers) => {
    asked.push(numbers);
    if (numbers.includes(13)) return Promise.reject(new Error('unlucky'));
    return Promise.resolve(numbers.map((number) => 2 * number));
  }, most);
  return { asked, double };
}

describe('questions of one moment', () => {
  it('are asked as one, and each gets its own answer', async () => {
    const { asked, double } = makeDoubling();
    expect(await Promise.all([3, 1, 3].map(double))).toEqual([6, 2, 6]);
    expect(asked).toEqual([[3, 1, 3]]);
  });

  it('never join what was already asked: the answer would be older than the question', async () => {
    const { asked, double } = makeDoubling();
    const first = double(1);
    await nextTurn();
    expect(asked).toEqual([[1]]);
    expect(await Promise.all([first, double(2)])).toEqual([2, 4]);
    expect(asked).toEqual([[1], [2]]);
  });

  it('go in several when they are many, and one that fails takes only its own with it', async () => {
    const { asked, double } = makeDoubling(2);
    const answers = await Promise.allSettled([1, 2, 13, 4, 5].map(double));
    expect(asked).toEqual([[1, 2], [13, 4], [5]]);
    expect(answers.map((answer) => (answer.status === 'fulfilled' ? answer.value : 'failed'))).toEqual([
      2,
      4,
      'failed',
      'failed',
      10,
    ]);
  });

  it('fail when an answer is missing', async () => {
    const double = makeGathered<number, number>(() => Promise.resolve([]), 10);
    await expect(double(1)).rejects.toThrow('not as many answers');
  });
});
