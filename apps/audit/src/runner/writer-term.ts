import { STREAMS, type StreamDeclaration } from '@keymesh/contracts';
import { SECOND } from '@keymesh/kernel';
import type { Integrated } from '../operations/commit-packs.js';
import { makeFeed } from '../operations/publish-feed.js';
import { reportSilentChains } from '../operations/report-silent-chains.js';
import type { Leadership } from '../store/leadership.js';
import { traceIntegrated } from '../telemetry/record-spans.js';
import { followJournal } from './follow-journal.js';
import { LONGEST_RETRY_MS, report, type LedgerRunnerPorts } from './ledger-runner.js';
import { startLoop, type Loop } from './loop.js';
import { makeSigning, onDemand } from './signing.js';

const LEADERSHIP_CHECK_MS = SECOND;
const SIGN_EVERY_MS = 10 * SECOND;
const SILENCE_CHECK_MS = 15 * SECOND;
const NS_PER_MS = 1e6;

/** One instance's time as the writer. */
export interface Term {
  /** Resolves when the term is over and its work at hand is done. */
  run(): Promise<void>;
  end(): void;
  /** Signs what is committed by now. Never throws. */
  signNewest(): Promise<void>;
}

/** Makes a term: journal → ledger, ledger → feed, tree head → checkpoint, until it ends or has to begin again. */
export function makeTerm(ports: LedgerRunnerPorts, leadership: Leadership): Term {
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const sign = makeSigning(ports);
  const run = async (): Promise<void> => {
    const running: Pick<Loop, 'stop'>[] = [];
    // What the server delivered before may be lost with the old connection, and JOURNAL may be another.
    const offReconnect = ports.connection.onReconnect(end);
    try {
      await Promise.race([ports.policyKnown, ended]);
      await startWork(ports, { leadership, sign, end, running });
      await ended;
    } finally {
      offReconnect();
      await Promise.all(running.map((each) => each.stop()));
      ports.writer.forget();
    }
  };
  return { run, end, signNewest: onDemand(ports.clock, sign) };
}

interface Work {
  readonly leadership: Leadership;
  readonly sign: () => Promise<boolean>;
  readonly end: () => void;
  /** Whatever has begun is added here at once, so that it is stopped however the start ends. */
  readonly running: Pick<Loop, 'stop'>[];
}

async function startWork(ports: LedgerRunnerPorts, { leadership, sign, end, running }: Work): Promise<void> {
  const { clock, dataSource, logger, metrics } = ports;
  const loop = (part: string, idleMs: number, work: () => Promise<boolean>): Loop => {
    const started = startLoop(work, {
      idleMs,
      longestRetryMs: LONGEST_RETRY_MS,
      onFailure: report(ports, part),
    });
    running.push(started);
    return started;
  };
  const feed = makeFeed({ ...ports, stream: ports.feedStream, retentionMs: FEED_RETENTION_MS });

  loop('leadership', LEADERSHIP_CHECK_MS, async () => {
    if (!(await leadership.check())) end();
    return false;
  });
  const feedLoop = loop('feed', SECOND, async () => {
    const published = await feed.publishNext();
    metrics.published.inc(published);
    return published > 0;
  });
  const journal = await followJournal({
    ...ports,
    onRewind: () => {
      logger.error('the ledger stands before what was integrated; beginning again from its position');
      end();
    },
    onFailure: (error) => report(ports, 'journal')(error),
    onIntegrated: (integrated, startedAtMs) => {
      observe(ports, integrated, startedAtMs);
      feedLoop.poke();
    },
  });
  running.push(journal);
  loop('checkpoint', SIGN_EVERY_MS, sign);
  loop('silence', SILENCE_CHECK_MS, async () => {
    const silent = await reportSilentChains(dataSource, clock.now());
    metrics.incidents.inc({ kind: 'silent' }, silent);
    if (silent > 0) ports.pokeOutbox();
    return false;
  });
}

const auditStream: StreamDeclaration | undefined = STREAMS.find(({ name }) => name === 'AUDIT');
const FEED_RETENTION_MS = (auditStream?.maxAgeNs ?? 0) / NS_PER_MS;

function observe(ports: LedgerRunnerPorts, done: Integrated, startedAtMs: number): void {
  const { clock, logger, metrics } = ports;
  metrics.batchRecords.observe(done.leaves.length);
  metrics.commitSeconds.observe((clock.now() - startedAtMs) / 1_000);
  metrics.size.set(done.head.size);
  metrics.repeats.inc(done.repeats);
  traceIntegrated(
    done.leaves.map(({ facts }) => facts.traceparent),
    startedAtMs,
  );
  for (const incident of done.incidents) {
    metrics.incidents.inc({ kind: incident.kind });
    logger.error({ ...incident }, 'journal incident');
  }
  if (done.incidents.length > 0) ports.pokeOutbox();
}
