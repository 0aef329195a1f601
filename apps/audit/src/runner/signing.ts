import { toPublicError } from '@keymesh/contracts';
import { KeymeshError, SECOND, type Clock } from '@keymesh/kernel';
import { transact } from '@keymesh/postgres';
import type { DataSource } from 'typeorm';
import type { Incident } from '../domain/incident.js';
import { insertIncidents } from '../store/incidents.js';
import type { LedgerRunnerPorts } from './ledger-runner.js';

/** Signing on demand, at most this often. */
const SIGN_AT_MOST_EVERY_MS = SECOND;

/** One attempt to sign the committed tree head, with what is to be told of it. Resolves false: there is no more to do at once. */
export function makeSigning(ports: LedgerRunnerPorts): () => Promise<boolean> {
  const { clock, dataSource, logger, metrics } = ports;
  const sign = ports.makeSigner();
  return async () => {
    try {
      const result = await sign();
      if (result.state === 'behind') {
        logger.warn(
          { ...result },
          'the ledger is behind its published checkpoint: nothing is signed until it has caught up',
        );
      } else {
        metrics.checkpointSize.set(result.checkpoint.size);
        ports.pokeOutbox();
      }
    } catch (error) {
      if (toPublicError(error).code === 'LOG_INCONSISTENT') {
        metrics.incidents.inc(
          { kind: 'checkpoint-mismatch' },
          await recordMismatch(dataSource, clock, error),
        );
        ports.pokeOutbox();
      }
      throw error;
    }
    return false;
  };
}

async function recordMismatch(dataSource: DataSource, clock: Clock, error: unknown): Promise<number> {
  const details = KeymeshError.is(error) ? error.details : {};
  const incident: Incident = {
    kind: 'checkpoint-mismatch',
    service: 'audit',
    instance: '',
    journalSequence: 0,
    observed: Number(details.size ?? 0),
    expected: Number(details.publishedSize ?? 0),
  };
  return await transact(dataSource, (manager) => insertIncidents(manager, [incident], clock.now()));
}

/** The same when somebody asks for it: one attempt at a time, none right after another, and a failure is left to the loop. */
export function onDemand(clock: Clock, sign: () => Promise<boolean>): () => Promise<void> {
  let attempt: Promise<void> | undefined;
  let notBefore = -Infinity;
  const begin = async (): Promise<void> => {
    try {
      await sign();
    } catch {
      // The loop meets the same failure and reports it.
    } finally {
      attempt = undefined;
    }
  };
  return () => {
    if (attempt === undefined && clock.monotonic() >= notBefore) {
      notBefore = clock.monotonic() + SIGN_AT_MOST_EVERY_MS;
      attempt = begin();
    }
    return attempt ?? Promise.resolve();
  };
}
