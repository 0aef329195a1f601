import type { Keymesh } from '@keymesh/client';
import { median } from './rounds.js';

/** How far the time of "there is none" and of "you may not" can be told apart. */
export interface Hiding {
  readonly pairs: number;
  readonly absentMs: number;
  readonly forbiddenMs: number;
  /** Median of forbidden − absent over pairs asked one right after the other, in either order. */
  readonly differenceMs: number;
  /** Median distance of those differences from their median: the unrest that hides it. */
  readonly unrestMs: number;
  /** The first against the second, without its sign. */
  readonly ratio: number;
}

/** With a thousand pairs chance alone gives 0.06 or less, three times in four; an answer that does more work is far above it. */
export const MOST_RATIO = 0.5;
const WARM_UP = 50;

/**
 * Asks for a credential that the stranger may not know of, and for one that there is not.
 * @throws Error when the two can be told apart by their time.
 */
export async function measureHiding(stranger: Keymesh, forbidden: string, pairs: number): Promise<Hiding> {
  const absent = `${forbidden}-is-not-there`;
  for (let n = 0; n < WARM_UP; n += 1) for (const name of [absent, forbidden]) await timeOf(stranger, name);
  const times = { absent: [] as number[], forbidden: [] as number[], difference: [] as number[] };
  for (let n = 0; n < pairs; n += 1) {
    const first = Math.random() < 0.5;
    const one = await timeOf(stranger, first ? absent : forbidden);
    const other = await timeOf(stranger, first ? forbidden : absent);
    const [absentMs, forbiddenMs] = first ? [one, other] : [other, one];
    times.absent.push(absentMs);
    times.forbidden.push(forbiddenMs);
    times.difference.push(forbiddenMs - absentMs);
  }
  const differenceMs = median(times.difference);
  const unrestMs = median(times.difference.map((one) => Math.abs(one - differenceMs)));
  const ratio = Math.abs(differenceMs) / unrestMs;
  if (!(ratio < MOST_RATIO))
    throw new Error(
      `absent and forbidden differ by ${differenceMs.toFixed(3)} ms, ${ratio.toFixed(2)} of the unrest: more than ${String(MOST_RATIO)}`,
    );
  const medians = { absentMs: median(times.absent), forbiddenMs: median(times.forbidden) };
  return { pairs, ...medians, differenceMs, unrestMs, ratio };
}

async function timeOf(stranger: Keymesh, name: string): Promise<number> {
  const before = performance.now();
  const code = await stranger.credentials.retrieve(name).then(
    () => 'given',
    (error: unknown) => (error as { code?: string }).code ?? 'unknown',
  );
  if (code !== 'CREDENTIAL_NOT_FOUND') throw new Error(`the stranger was told ${code}`);
  return performance.now() - before;
}
