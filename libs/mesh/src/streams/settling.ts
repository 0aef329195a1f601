/** What is known to have changed and has not been read yet. */
export interface Settling {
  /** It has changed, or may have. */
  begin(): void;
  /** Call before reading. @returns what tells that it was read: it counts unless something has changed since. */
  reading(): () => void;
  /** Resolves when it was read; undefined: there is nothing to wait for. */
  wait(): Promise<void> | undefined;
  /** Lets everybody go. */
  stop(): void;
}

/**
 * Lets askers wait for news that is on its way, and for nothing longer than `atMostMs`: who cannot read the news goes on by what it knows.
 */
export function makeSettling(atMostMs: number): Settling {
  let changes = 0;
  let waiting: { readonly over: Promise<void>; readonly end: () => void } | undefined;
  const open = (): typeof waiting => {
    let resolve = (): void => undefined;
    const over = new Promise<void>((done) => (resolve = done));
    const end = (): void => {
      clearTimeout(timer);
      waiting = undefined;
      resolve();
    };
    const timer = setTimeout(end, atMostMs);
    timer.unref();
    return { over, end };
  };
  return {
    begin() {
      changes += 1;
      waiting ??= open();
    },
    reading() {
      const asOf = changes;
      return () => {
        if (asOf === changes) waiting?.end();
      };
    },
    wait: () => waiting?.over,
    stop: () => waiting?.end(),
  };
}
