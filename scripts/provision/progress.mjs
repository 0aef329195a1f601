// Shows slow steps with their elapsed time: a line that moves on a terminal, a line every ten seconds elsewhere.

const seconds = (since) => `${((performance.now() - since) / 1_000).toFixed(1)} s`;

/**
 * Runs one step and shows that it goes on. What it throws passes through.
 * @template T
 * @param {string} what e.g. `Installing dependencies`
 * @param {(note: (text: string) => void) => Promise<T>} work `note` adds what it is at.
 * @returns {Promise<T>}
 */
export async function step(what, work) {
  const since = performance.now();
  const terminal = process.stdout.isTTY === true;
  let detail = '';
  const line = () => `  … ${what}${detail === '' ? '' : ` (${detail})`}, ${seconds(since)}`;
  const show = () => (terminal ? process.stdout.write(`\r\x1b[2K${line()}`) : console.log(line()));
  if (!terminal) console.log(`  … ${what}`);
  const timer = setInterval(show, terminal ? 250 : 10_000);
  try {
    const result = await work((text) => (detail = text));
    finish('✓');
    return result;
  } catch (error) {
    finish('✗');
    throw error;
  }
  function finish(mark) {
    clearInterval(timer);
    if (terminal) process.stdout.write('\r\x1b[2K');
    console.log(`  ${mark} ${what}, ${seconds(since)}`);
  }
}

/** A failure that is told in its own words, without a stack. */
export class SayError extends Error {}

/** Prints what went wrong and ends: a sentence for what we know, a stack for what is a bug. */
export function sayAndExit(error) {
  console.error(error instanceof SayError ? `\n${error.message}` : error);
  process.exit(1);
}
