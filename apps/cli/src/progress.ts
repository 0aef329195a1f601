/** Progress on standard error: a bar where somebody looks on, nothing where the output goes to a file. */
export interface Progress {
  /** @param waitingFor why it stands still, if it does. */
  show(done: number, total: number, waitingFor?: string | null): void;
  end(): void;
}

const WIDTH = 30;

/** A bar with what it is about in front. */
export function makeProgress(what: string, stream: NodeJS.WriteStream = process.stderr): Progress {
  let shown = false;
  return {
    show(done, total, waitingFor) {
      if (!stream.isTTY) return;
      shown = true;
      stream.write(`\r${bar(what, done, total, waitingFor)}\u001b[K`);
    },
    end() {
      if (shown) stream.write('\n');
    },
  };
}

/** One line: `rewrap billing [######      ]  40% 4000/10000`. */
export function bar(what: string, done: number, total: number, waitingFor?: string | null): string {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const filled = Math.round(share * WIDTH);
  const percent = `${String(Math.floor(share * 100)).padStart(3)}%`;
  const waiting = waitingFor === undefined || waitingFor === null ? '' : ` waits: ${waitingFor}`;
  return `${what} [${'#'.repeat(filled)}${' '.repeat(WIDTH - filled)}] ${percent} ${String(done)}/${String(total)}${waiting}`;
}
