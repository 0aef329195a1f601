import { createWriteStream } from 'node:fs';

/** What the launcher tells the person at the terminal; all of it also goes to logs/launcher.log with the time. */
export interface Say {
  /** Something was done. */
  readonly step: (text: string) => void;
  /** Something that should be looked at. The same text is shown once in ten seconds. */
  readonly warn: (text: string) => void;
  readonly plain: (text: string) => void;
  close(): void;
}

const REPEAT_MS = 10_000;

/** @param logFile logs/launcher.log */
export function makeSay(logFile: string): Say {
  const log = createWriteStream(logFile, { flags: 'a', mode: 0o600 });
  const shown = new Map<string, number>();
  const keep = (text: string): void => void log.write(`${new Date().toISOString()} ${text}\n`);
  return {
    step: (text) => {
      keep(text);
      process.stdout.write(`  ✓ ${text}\n`);
    },
    warn: (text) => {
      keep(text);
      const now = performance.now();
      if (now - (shown.get(text) ?? -Infinity) < REPEAT_MS) return;
      shown.set(text, now);
      if (shown.size > 1_000) shown.clear();
      process.stderr.write(`  ! ${text}\n`);
    },
    plain: (text) => {
      keep(text);
      process.stdout.write(`${text}\n`);
    },
    close: () => log.end(),
  };
}
