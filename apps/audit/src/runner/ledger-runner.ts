import { SECOND, type Clock } from '@keymesh/kernel';
import { toPublicError } from '@keymesh/contracts';
import type { MeshConnection } from '@keymesh/mesh';
import type { Logger } from '@keymesh/service-kit';
import type { DataSource } from 'typeorm';
import type { LedgerWriter } from '../operations/integrate-packs.js';
import type { FeedStream } from '../operations/publish-feed.js';
import type { SigningResult } from '../operations/sign-checkpoint.js';
import { tryLeadership } from '../store/leadership.js';
import type { LedgerMetrics } from '../telemetry/ledger-metrics.js';
import { startLoop, type Loop } from './loop.js';
import { makeTerm, type Term } from './writer-term.js';

const ELECTION_MS = SECOND;
export const LONGEST_RETRY_MS = 5 * SECOND;

export interface LedgerRunnerPorts {
  readonly dataSource: DataSource;
  readonly connection: MeshConnection;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: LedgerMetrics;
  readonly writer: LedgerWriter;
  /** Resolves with the first policy bundle: before it no signature can be checked. */
  readonly policyKnown: Promise<void>;
  readonly feedStream: FeedStream;
  readonly logOrigin: string;
  /** A signer for one term as the writer. */
  readonly makeSigner: () => () => Promise<SigningResult>;
  /** Something was put into the outbox. */
  readonly pokeOutbox: () => void;
}

export interface LedgerRunner {
  start(): void;
  /** Finishes the commit at hand and gives up being the writer. Idempotent. */
  stop(): Promise<void>;
  isWriter(): boolean;
  /** Signs what is committed by now, if this instance is the writer. Never throws. */
  signNewest(): Promise<void>;
}

/**
 * Modes: *waiting* (another instance is the writer) → *writing* (journal → ledger → checkpoint and feed) → back to waiting when the
 * database session, the connection or the ledger's place is lost. Each term begins from what is committed.
 */
export function makeLedgerRunner(ports: LedgerRunnerPorts): LedgerRunner {
  const { dataSource, logger, metrics } = ports;
  let election: Loop | undefined;
  let term: Term | undefined;
  const stand = async (): Promise<boolean> => {
    const leadership = await tryLeadership(dataSource);
    if (leadership === undefined) return false;
    term = makeTerm(ports, leadership);
    metrics.leader.set(1);
    logger.info('writing the ledger');
    try {
      await term.run();
    } finally {
      term = undefined;
      metrics.leader.set(0);
      await leadership.release();
    }
    return true;
  };
  let stopping = false;
  return {
    start: () => {
      election ??= startLoop(() => (stopping ? Promise.resolve(false) : stand()), {
        idleMs: ELECTION_MS,
        longestRetryMs: LONGEST_RETRY_MS,
        onFailure: report(ports, 'election'),
      });
    },
    stop: async () => {
      stopping = true;
      term?.end();
      await election?.stop();
    },
    isWriter: () => term !== undefined,
    signNewest: () => term?.signNewest() ?? Promise.resolve(),
  };
}

/** Logs and counts an attempt that failed and is made again. */
export const report =
  ({ logger, metrics }: LedgerRunnerPorts, part: string) =>
  (error: unknown, retryInMs?: number): void => {
    metrics.failures.inc({ part });
    logger.warn({ err: error, code: toPublicError(error).code, part, retryInMs }, 'trying again');
  };
