import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { failure } from '@keymesh/contracts';
import { HOUR, MINUTE } from '@keymesh/kernel';
import { backupMetrics, makeBackupSchedule, type BackupSchedule } from './backup-schedule.js';

describe('scheduled backups', () => {
  let folder: string;
  let schedules: BackupSchedule[];
  let nowMs: number;
  let made: number;
  let broken: boolean;
  let told: string[];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'keymesh-schedule-'));
    [schedules, nowMs, made, broken, told] = [[], Date.UTC(2026, 10, 26), 0, false, []];
  });
  afterEach(() => {
    for (const schedule of schedules) schedule.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const start = (): BackupSchedule => {
    const schedule = makeBackupSchedule({
      everyMs: 6 * HOUR,
      file: join(folder, 'backup.json'),
      create: () => {
        if (broken) return Promise.reject(failure('BACKUP_TARGET_UNAVAILABLE'));
        made += 1;
        return Promise.resolve({ name: `backup ${String(made)}` });
      },
      say: () => undefined,
      warn: (text) => told.push(text),
      clock: { now: () => nowMs },
    });
    schedules.push(schedule);
    return schedule;
  };

  it('makes one at once, then one each time it is due, and none between', async () => {
    const schedule = start();
    for (let hour = 0; hour < 13; hour += 1, nowMs += HOUR) await schedule.tick();
    expect(made).toBe(3);
    expect(schedule.health()).toEqual({
      lastSuccess: '2026-11-26T12:00:00.000Z',
      failing: null,
      failures: 0,
    });
  });

  it('makes up after a start for one that was missed, and not for one that was made', async () => {
    await start().tick();
    nowMs += HOUR;
    await start().tick();
    expect(made).toBe(1);
    nowMs += 20 * HOUR;
    await start().tick();
    expect(made).toBe(2);
  });

  it('shows a failure, counts it, and tries again before the next time', async () => {
    const schedule = start();
    broken = true;
    await schedule.tick();
    await schedule.tick();
    expect(told).toHaveLength(1);
    expect(told[0]).toContain('BACKUP_TARGET_UNAVAILABLE');
    expect(schedule.health()).toEqual({
      lastSuccess: null,
      failing: 'BACKUP_TARGET_UNAVAILABLE',
      failures: 1,
    });
    expect(backupMetrics(schedule.health())).toContain('keymesh_backup_failures_total 1\n');
    broken = false;
    nowMs += 10 * MINUTE;
    await schedule.tick();
    expect(schedule.health()).toMatchObject({ failing: null, failures: 1 });
    expect(backupMetrics(schedule.health())).toContain(`timestamp_seconds ${String(nowMs / 1_000)}\n`);
  });
});
