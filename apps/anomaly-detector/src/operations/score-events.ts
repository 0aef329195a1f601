import { subjects, type AuditRecord } from '@keymesh/contracts';
import { encodeLeaf } from '@keymesh/mesh';
import { insertOutbox, transact } from '@keymesh/postgres';
import type { DataSource, EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { Clock } from '@keymesh/kernel';
import type { FeedEvent } from '../domain/baseline.js';
import { toAnomalyFinding, type Finding } from '../domain/findings.js';
import { wantsLock } from '../domain/response.js';
import { scoreBatch } from '../domain/score-batch.js';
import type { DetectorSettings } from '../domain/scoring.js';
import { loadMemory, takeUnseen } from '../store/batch-memory.js';
import { insertFinding, saveBatch } from '../store/save-batch.js';

export interface ScoreEventsDependencies {
  readonly dataSource: DataSource;
  readonly settings: DetectorSettings;
  readonly clock: Clock;
  readonly instance: string;
  /** Called after the commit with what was raised: wakes the relay and the responder, counts. */
  readonly onRaised: (findings: readonly Finding[]) => void;
}

/**
 * Scores a batch of the feed in one transaction: which events were counted, baselines, findings, and their alerts and audit records
 * in the outbox. So a crash at any point loses nothing and counts nothing twice. Batches of several instances wait for each other.
 * @throws STORE_UNAVAILABLE: then nothing was counted, and the batch comes again.
 */
export function makeScoreEvents(dependencies: ScoreEventsDependencies) {
  return async (events: readonly FeedEvent[]): Promise<void> => {
    const raised = await transact(dependencies.dataSource, async (manager) => {
      await manager.query(
        `SELECT pg_advisory_xact_lock(hashtextextended('keymesh/anomaly-detector/score', 0))`,
      );
      const unseen = await takeUnseen(manager, events);
      if (unseen.length === 0) return [];
      const memory = await loadMemory(manager, unseen);
      const result = scoreBatch(unseen, memory, dependencies.settings);
      await saveBatch(manager, result);
      return raiseAll(manager, result.raised, dependencies);
    });
    dependencies.onRaised(raised);
  };
}

async function raiseAll(
  manager: EntityManager,
  findings: readonly Finding[],
  dependencies: ScoreEventsDependencies,
): Promise<Finding[]> {
  const raised: Finding[] = [];
  for (const finding of findings) {
    const answered = wantsLock(finding) ? { ...finding, response: 'lock requested' } : finding;
    if (!(await insertFinding(manager, answered, wantsLock(finding)))) continue;
    await insertOutbox(manager, {
      kind: 'alert',
      id: finding.findingId,
      subject: subjects.alert(finding.severity, finding.kind),
      payload: Buffer.from(JSON.stringify(toAnomalyFinding(answered)), 'utf8'),
    });
    const record = recordOf(answered, dependencies);
    await insertOutbox(manager, {
      kind: 'journal',
      id: record.id,
      subject: subjects.journal('anomaly-detector'),
      payload: Buffer.from(encodeLeaf(record)),
    });
    raised.push(answered);
  }
  return raised;
}

/** `finding.raised`: which, how grave, about whom. */
function recordOf(finding: Finding, { clock, instance }: ScoreEventsDependencies): AuditRecord {
  const now = clock.now();
  return {
    v: 1,
    id: uuidv7({ msecs: now }),
    time: new Date(now).toISOString(),
    type: 'finding.raised',
    service: 'anomaly-detector',
    instance,
    outcome: 'success',
    principal: '_anomaly-detector',
    resource: { kind: 'finding', id: finding.findingId },
    facts: {
      kind: finding.kind,
      severity: finding.severity,
      score: finding.score,
      about: finding.principal,
      ...(finding.credentialId === null ? {} : { credentialId: finding.credentialId }),
      ...(finding.logIndex === null ? {} : { logIndex: finding.logIndex }),
    },
  };
}
