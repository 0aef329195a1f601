import { isUtf8 } from 'node:buffer';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { failure } from '@keymesh/contracts';
import { SECOND } from '@keymesh/kernel';

/**
 * How many bits of a password a guesser does not know who tries names, words, dates, keyboard rows and their spellings first.
 * @param known texts that a guesser tries first, in UTF-8: the user name, the credential's name.
 * @returns undefined for bytes that are not text. @throws UNAVAILABLE when nobody can guess just now.
 */
export type GuessBits = (password: Uint8Array, known: readonly Uint8Array[]) => Promise<number | undefined>;

export interface GuessQuestion {
  readonly id: number;
  readonly password: Uint8Array;
  readonly known: readonly Uint8Array[];
}
export interface GuessAnswer {
  readonly id: number;
  readonly bits: number;
}

/** Long enough for a batch of passwords to share a worker, short enough that their strings do not stay. */
const IDLE_MS = 2 * SECOND;

let guesser: ReturnType<typeof startGuesser> | undefined;

/**
 * The estimate needs strings, which nobody can wipe, and up to a second of CPU. So it is made in a worker with a heap of its own, which is
 * given back to the system when no password came for two seconds. Only passwords that people chose go there, never keys or tokens.
 */
export const guessBits: GuessBits = async (password, known) => {
  if (!isUtf8(password)) return undefined;
  guesser ??= startGuesser(() => (guesser = undefined));
  return guesser.ask(password, known);
};

function startGuesser(onEnd: () => void) {
  const waiting = new Map<number, { resolve: (bits: number) => void; reject: (error: Error) => void }>();
  // Beside this file, compiled or not.
  const worker = new Worker(new URL(`./guess-worker${extname(import.meta.url)}`, import.meta.url));
  let asked = 0;
  let idle: NodeJS.Timeout | undefined;

  const end = (cause?: unknown): void => {
    clearTimeout(idle);
    onEnd();
    for (const { reject } of waiting.values())
      reject(
        failure('UNAVAILABLE', {
          publicMessage: 'The password cannot be judged just now, so nothing was stored. Try again.',
          cause,
        }),
      );
    waiting.clear();
    void worker.terminate();
  };
  worker.on('error', end);
  worker.on('exit', () => end());
  worker.on('message', ({ id, bits }: GuessAnswer) => {
    waiting.get(id)?.resolve(bits);
    waiting.delete(id);
    if (waiting.size > 0) return;
    // Idle, it holds no process that wants to end.
    worker.unref();
    idle = setTimeout(end, IDLE_MS).unref();
  });

  return {
    ask(password: Uint8Array, known: readonly Uint8Array[]): Promise<number> {
      clearTimeout(idle);
      worker.ref();
      const id = (asked += 1);
      const question: GuessQuestion = { id, password: movable(password), known: known.map(movable) };
      const moved = [question.password, ...question.known].map(({ buffer }) => buffer as ArrayBuffer);
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        worker.postMessage(question, moved);
      });
    },
  };
}

/** A copy that moves to the worker and is zeroed there. V8 keeps a small array in its heap unless it gets a buffer made before. */
function movable(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new ArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}
