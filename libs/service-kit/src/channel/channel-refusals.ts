import type { AuditRecord } from '@keymesh/contracts';
import { MINUTE, SECOND } from '@keymesh/kernel';
import { makeFailedAttempts } from '@keymesh/mesh';
import { Counter, Gauge } from 'prom-client';
import { v7 as uuidv7 } from 'uuid';
import type { ServiceKit } from '../tokens.js';

type Kit = Pick<ServiceKit, 'name' | 'instance' | 'clock' | 'logger' | 'metrics' | 'onShutdown'> & {
  readonly journal: Pick<ServiceKit['journal'], 'record'>;
};

/** Set-ups that an asker may fail before further ones wait; a client that is right never fails one. */
const LOCKOUT_RULE = { free: 20, firstMs: SECOND, longestMs: MINUTE };
const WINDOW_MS = MINUTE;
/** Askers told apart in one window; all others share one sum. */
const MAX_ASKERS = 500;
const OTHERS = 'others';

/** What a service does about channels that are not authentic. */
export interface ChannelRefusals {
  /** For the acceptor. */
  readonly attempts: ReturnType<typeof makeFailedAttempts>;
  /** Counts a message of this asker, as the broker says, that was refused. Never throws. */
  note(asker: string): void;
}

/**
 * Records channels that are refused: the first of an asker in a minute by itself, the others as a sum when the minute ends. The outcome is
 * `failure`, not `denied`: a process of a principal that uses a removed key must not have all of that principal locked.
 */
export function makeChannelRefusals(kit: Kit): ChannelRefusals {
  const { clock, metrics, onShutdown } = kit;
  const attempts = makeFailedAttempts({ clock, ...LOCKOUT_RULE });
  const { lockouts } = makeMeters(metrics, () => attempts.size());
  const refused = new Map<string, number>();
  const flush = (): void => {
    for (const [asker, count] of refused) if (count > 1) record(kit, asker, count - 1);
    refused.clear();
  };
  const timer = setInterval(flush, WINDOW_MS);
  onShutdown('channel refusals', () => {
    clearInterval(timer);
    flush();
  });
  return {
    attempts: {
      ...attempts,
      failed(asker) {
        const begun = attempts.failed(asker);
        if (begun !== undefined) lockouts.inc();
        return begun;
      },
    },
    note(asker) {
      const name = refused.has(asker) || refused.size < MAX_ASKERS ? asker : OTHERS;
      const count = (refused.get(name) ?? 0) + 1;
      refused.set(name, count);
      if (count === 1) record(kit, name, 0);
    },
  };
}

function makeMeters({ registry }: Pick<Kit['metrics'], 'registry'>, askers: () => number) {
  const registers = [registry];
  new Gauge({
    name: 'keymesh_channel_failing_askers',
    help: 'Askers of failed channel set-ups that are remembered; bounded.',
    registers,
    collect() {
      this.set(askers());
    },
  });
  const lockouts = new Counter({
    name: 'keymesh_channel_lockouts_total',
    help: 'Lockouts that began of askers whose channel set-ups go on to fail.',
    registers,
  });
  return { lockouts };
}

function record({ journal, name, instance, clock, logger }: Kit, asker: string, summed: number): void {
  const made: AuditRecord = {
    v: 1,
    id: uuidv7(),
    time: new Date(clock.now()).toISOString(),
    type: 'channel.refused',
    service: name,
    instance,
    outcome: 'failure',
    code: 'CHANNEL_REJECTED',
    ...(asker === OTHERS ? {} : { principal: asker }),
    ...(summed === 0 ? {} : { facts: { summed } }),
  };
  journal
    .record(made)
    .catch((error: unknown) => logger.warn({ err: error }, 'a refused channel could not be recorded'));
}
