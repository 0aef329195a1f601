import { toPublicError } from '@keymesh/contracts';
import { MINUTE, type Clock } from '@keymesh/kernel';
import { readJson, writeWhole } from './files.js';

/** What is known of scheduled backups, for `keymesh status` and the launcher's metrics. */
export interface BackupHealth {
  readonly lastSuccess: string | null;
  /** Code of the last failure since then. */
  readonly failing: string | null;
  readonly failures: number;
}

export interface BackupScheduleOptions {
  readonly everyMs: number;
  /** Remembers the last success over starts. */
  readonly file: string;
  readonly create: () => Promise<{ readonly name: string }>;
  readonly say: (text: string) => void;
  readonly warn: (text: string) => void;
  readonly clock: Pick<Clock, 'now'>;
}

export interface BackupSchedule {
  /** Makes a backup if one is due; the timer calls it. Never rejects. */
  tick(): Promise<void>;
  health(): BackupHealth;
  stop(): void;
}

const LOOK_EVERY_MS = MINUTE;
/** After a failure the next attempt waits this long, or the schedule's time if that is shorter. */
const RETRY_MS = 10 * MINUTE;

/**
 * Makes backups while the mesh runs: one is due when the last success is older than the schedule says, also when the mesh was down at
 * that time. A failure is shown, counted and tried again; the vault's task has recorded it in the audit log.
 */
export function makeBackupSchedule(options: BackupScheduleOptions): BackupSchedule {
  const { everyMs, file, create, say, warn, clock } = options;
  const remembered = readJson(file) as { lastSuccessMs?: number } | undefined;
  const state = {
    lastSuccessMs: remembered?.lastSuccessMs,
    failing: null as string | null,
    failures: 0,
    notBeforeMs: 0,
    working: false,
  };
  const isDue = (): boolean =>
    clock.now() >= state.notBeforeMs &&
    (state.lastSuccessMs === undefined || clock.now() - state.lastSuccessMs >= everyMs);

  const tick = async (): Promise<void> => {
    if (state.working || !isDue()) return;
    state.working = true;
    const startedAt = clock.now();
    try {
      const { name } = await create();
      state.lastSuccessMs = startedAt;
      state.failing = null;
      writeWhole(file, `${JSON.stringify({ lastSuccessMs: startedAt })}\n`);
      say(`backup ${name}`);
    } catch (error) {
      const { code, message } = toPublicError(error);
      state.failing = code;
      state.failures += 1;
      state.notBeforeMs = clock.now() + Math.min(RETRY_MS, everyMs);
      warn(`the scheduled backup failed: ${code}: ${message}`);
    } finally {
      state.working = false;
    }
  };
  const timer = setInterval(() => void tick(), Math.min(LOOK_EVERY_MS, everyMs));
  timer.unref();
  return {
    tick,
    health: () => ({
      lastSuccess: state.lastSuccessMs === undefined ? null : new Date(state.lastSuccessMs).toISOString(),
      failing: state.failing,
      failures: state.failures,
    }),
    stop: () => clearInterval(timer),
  };
}

/** The same for Prometheus. */
export const backupMetrics = ({ lastSuccess, failures }: BackupHealth): string =>
  [
    '# HELP keymesh_backup_failures_total Scheduled backups that failed since the launcher started.',
    '# TYPE keymesh_backup_failures_total counter',
    `keymesh_backup_failures_total ${String(failures)}`,
    '# HELP keymesh_backup_last_success_timestamp_seconds When the last scheduled backup began that succeeded; 0: never.',
    '# TYPE keymesh_backup_last_success_timestamp_seconds gauge',
    `keymesh_backup_last_success_timestamp_seconds ${String(lastSuccess === null ? 0 : Date.parse(lastSuccess) / 1_000)}`,
    '',
  ].join('\n');
