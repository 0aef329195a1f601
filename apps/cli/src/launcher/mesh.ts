import { existsSync } from 'node:fs';
import type { Server } from 'node:http';
import { failure, SERVICES } from '@keymesh/contracts';
import { DAY, systemClock } from '@keymesh/kernel';
import { makeBackupSchedule, type BackupSchedule } from './backup-schedule.js';
import { createBackup } from './backup-tasks.js';
import { bootMesh } from './boot.js';
import type { LauncherConfig } from './config.js';
import { readVersions, statusFacts, type Facts } from './facts.js';
import { meshHealth } from './health.js';
import { homeAt, makeHome, type Home } from './home.js';
import type { Keeper } from './keeper.js';
import { takeLock } from './lock.js';
import { isRenewalDue } from './nats-tls.js';
import { makeSay, type Say } from './say.js';
import { makeTraceStore } from './trace-store.js';

export interface Mesh {
  readonly say: Say;
  /** Resolves once everything is ready. After a failure call `stop`, which ends what was started. */
  start(): Promise<Facts>;
  /** Ends the services, then NATS, then Postgres. Idempotent; a start that is under way is broken off. */
  stop(): Promise<void>;
  /** Ends and starts these services again, one after another. */
  restart(names: readonly string[]): Promise<void>;
}

interface MeshState {
  stopping: boolean;
  starting?: Promise<Facts>;
  stopped?: Promise<void>;
  facts?: Facts;
  http?: Server;
  backups?: BackupSchedule | undefined;
  renewal?: NodeJS.Timeout | undefined;
}

/**
 * The embedded mesh of one KEYMESH_HOME, which it locks. Nothing runs before `start`.
 * @throws UNAVAILABLE when another launcher runs on that home.
 */
export function makeMesh(config: LauncherConfig): Mesh {
  const home = homeAt(config.home);
  makeHome(home);
  const unlock = takeLock(home.run('launcher.json'));
  const say = makeSay(home.log('launcher'));
  const keepers = new Map<string, Keeper>();
  const external = new Set<string>();
  const versions = readVersions(config);
  const state: MeshState = { stopping: false };
  const health = () => meshHealth(home, keepers, external);

  const start = async (): Promise<Facts> => {
    if (existsSync(home.restoring)) throw halfRestored();
    state.facts = await bootMesh({
      ...{ config, home, keepers, external, health },
      step: say.step,
      warn: (text) => {
        if (!state.stopping) say.warn(text);
      },
      goOn: () => {
        if (state.stopping) throw failure('UNAVAILABLE', { publicMessage: 'Stopped while starting.' });
      },
      http: {
        health,
        facts: () => ({
          ...statusFacts(config, state.facts, versions),
          backups: state.backups?.health(),
        }),
        backups: () => state.backups?.health(),
        traces: makeTraceStore(home.traces),
      },
      onHttp: (server) => (state.http = server),
    });
    state.backups = scheduleBackups(config, home, say);
    state.renewal = renewCertificate(config, home, () => keepers.get('nats')?.restart());
    return state.facts;
  };

  const stop = async (): Promise<void> => {
    state.stopping = true;
    state.backups?.stop();
    clearInterval(state.renewal);
    await state.starting?.catch(() => undefined);
    await endParts(keepers);
    state.http?.closeAllConnections();
    state.http?.close();
    unlock();
    say.close();
  };

  return {
    say,
    start: () => (state.starting ??= start()),
    stop: () => (state.stopped ??= stop()),
    restart: async (names) => {
      for (const name of names) if (!state.stopping) await keepers.get(name)?.restart();
    },
  };
}

const halfRestored = () =>
  failure('CONFIG_INVALID', {
    publicMessage:
      'A restore into this KEYMESH_HOME was interrupted. Run the same `keymesh backup restore` again: it finishes the work.',
  });

/** @returns undefined where no schedule is set. */
function scheduleBackups(config: LauncherConfig, home: Home, say: Say): BackupSchedule | undefined {
  const { everyMs } = config.backup;
  if (everyMs === undefined) return undefined;
  const schedule = makeBackupSchedule({
    everyMs,
    file: home.run('backup.json'),
    create: () => createBackup({ config, home }),
    say: say.step,
    warn: say.warn,
    clock: systemClock,
  });
  void schedule.tick();
  return schedule;
}

/** The server reads its certificate when it starts, which takes a moment: clients come back by themselves. */
function renewCertificate(
  { natsTls }: LauncherConfig,
  home: Home,
  restartServer: () => Promise<void> | undefined,
): NodeJS.Timeout | undefined {
  if (natsTls !== 'made') return undefined;
  return setInterval(() => {
    if (isRenewalDue(home, systemClock)) void restartServer();
  }, DAY);
}

async function endParts(keepers: ReadonlyMap<string, Keeper>): Promise<void> {
  await Promise.all(SERVICES.map(async (name) => keepers.get(name)?.stop()));
  // After the services, which write until they end; Postgres last, because nothing needs the bus to store.
  await keepers.get('nats')?.stop();
  await keepers.get('postgres')?.stop();
}
