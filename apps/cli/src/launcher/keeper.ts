import { failure } from '@keymesh/contracts';

/** How a process ended. `undefined` where it was not our child and nobody knows. */
export interface Ending {
  readonly code?: number | null;
  readonly signal?: NodeJS.Signals | null;
}

/** A process that runs now. */
export interface Running {
  readonly pid: number;
  /** Resolves when it has ended, by whomever. Never rejects. */
  readonly ended: Promise<Ending>;
  /** Asks it to end, then makes it. Resolves when it is gone. */
  stop(): Promise<void>;
}

/**
 * starting → running → (ended by itself) restarting → starting …; stopped by us; failed: it says itself that trying again is in vain.
 */
export type KeeperState = 'starting' | 'running' | 'restarting' | 'stopped' | 'failed';

export interface Keeper {
  readonly name: string;
  readonly state: KeeperState;
  readonly pid: number | undefined;
  /** Times it was started again because it had ended by itself. */
  readonly restarts: number;
  /** First start. @throws what starting threw. */
  start(): Promise<void>;
  /** Ends it and starts it again, e.g. because its build changed. */
  restart(): Promise<void>;
  /** Ends it for good. Idempotent. */
  stop(): Promise<void>;
}

export interface KeeperOptions {
  readonly name: string;
  readonly start: () => Promise<Running>;
  readonly say: (text: string) => void;
  /** An ending after which trying again is in vain (a configuration that is not valid). */
  readonly isFinal?: (ending: Ending) => boolean;
  /** Milliseconds before each next start in a row; the last one stays. */
  readonly delaysMs?: readonly number[];
  /** After running this long the row begins anew. Default 10 s: a fault that takes longer to come back is no crash loop. */
  readonly stableMs?: number;
}

const DELAYS_MS = [200, 500, 1_000, 2_000, 5_000, 10_000, 30_000];
const STABLE_MS = 10_000;

/** What a keeper knows of its process. */
interface Kept {
  readonly options: KeeperOptions;
  state: KeeperState;
  running: Running | undefined;
  restarts: number;
  /** Whether it shall run: false while and after we stop it. */
  wanted: boolean;
  endingsInARow: number;
  timer: NodeJS.Timeout | undefined;
}

/** Keeps one process running: starts it again, later each time, when it ends without being asked to. */
export function makeKeeper(options: KeeperOptions): Keeper {
  const kept: Kept = {
    options,
    state: 'stopped',
    running: undefined,
    restarts: 0,
    wanted: false,
    endingsInARow: 0,
    timer: undefined,
  };
  return {
    name: options.name,
    get state() {
      return kept.state;
    },
    get pid() {
      return kept.running?.pid;
    },
    get restarts() {
      return kept.restarts;
    },
    start: () => startKept(kept),
    stop: () => stopKept(kept),
    restart: async () => {
      await stopKept(kept);
      await startKept(kept);
    },
  };
}

async function startKept(kept: Kept): Promise<void> {
  if (kept.wanted)
    throw failure('INTERNAL', { details: { name: kept.options.name, problem: 'started twice' } });
  kept.wanted = true;
  try {
    await launch(kept);
  } catch (error) {
    kept.wanted = false;
    kept.state = 'stopped';
    throw error;
  }
}

async function stopKept(kept: Kept): Promise<void> {
  kept.wanted = false;
  clearTimeout(kept.timer);
  const { running } = kept;
  kept.running = undefined;
  kept.state = 'stopped';
  await running?.stop();
}

async function launch(kept: Kept): Promise<void> {
  kept.state = 'starting';
  const since = performance.now();
  const running = await kept.options.start();
  kept.running = running;
  kept.state = 'running';
  void running.ended.then((ending) => {
    if (kept.running !== running) return; // stopped, or replaced, by us
    kept.running = undefined;
    if (performance.now() - since > (kept.options.stableMs ?? STABLE_MS)) kept.endingsInARow = 0;
    if (kept.wanted) onEnding(kept, ending);
  });
  if (!kept.wanted) await stopKept(kept); // asked to stop while it was starting
}

function onEnding(kept: Kept, ending: Ending): void {
  const { name, isFinal, say } = kept.options;
  if (isFinal?.(ending) !== true) {
    launchLater(kept, describeEnding(ending));
    return;
  }
  kept.state = 'failed';
  say(`${name} ${describeEnding(ending)} and is not started again: see its log`);
}

function launchLater(kept: Kept, what: string): void {
  const { name, say, delaysMs = DELAYS_MS } = kept.options;
  const delayMs = delaysMs[Math.min(kept.endingsInARow, delaysMs.length - 1)] ?? 1_000;
  kept.endingsInARow += 1;
  kept.state = 'restarting';
  say(`${name} ${what}; starting it again in ${String(delayMs / 1_000)} s`);
  kept.timer = setTimeout(() => {
    kept.restarts += 1;
    launch(kept).catch((error: unknown) => {
      if (kept.wanted)
        launchLater(kept, `did not start (${error instanceof Error ? error.message : 'unknown'})`);
    });
  }, delayMs);
}

const describeEnding = ({ code, signal }: Ending): string => {
  if (typeof signal === 'string') return `was ended by ${signal}`;
  return typeof code === 'number' ? `ended with exit code ${String(code)}` : 'ended';
};
