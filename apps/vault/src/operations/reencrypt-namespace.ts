import type { reencryptNamespace, RequestOf } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Call, Handler } from '@keymesh/mesh';
import { namespaceResource, type AskPolicy } from '../domain/access.js';
import { announceRecord } from '../domain/announcements.js';
import type { Attempt, Audited } from '../domain/audit-trail.js';
import type { Credential } from '../domain/credential.js';
import { toProgress, type KeyMutations } from '../domain/key-jobs.js';
import { canonicalName } from '../domain/name.js';
import type { MetadataIndex } from '../domain/ports.js';
import { permitLookup, permitOn } from './permit.js';

export interface ReencryptNamespacePorts {
  readonly audited: Audited;
  readonly index: Pick<MetadataIndex, 'findByName'>;
  readonly askPolicy: AskPolicy;
  readonly keyMutations: KeyMutations;
  readonly clock: Clock;
  /** Somebody should look at the jobs. */
  readonly onJobs: () => void;
}

/**
 * Starts the job that gives every version of a namespace, or of one credential, a new data key. Its end is recorded as
 * `namespace-key.reencrypted`.
 * @throws DENIED, NAMESPACE_NOT_FOUND, CREDENTIAL_NOT_FOUND, KEY_JOB_RUNNING, STORE_UNAVAILABLE
 */
export function makeReencryptNamespace(ports: ReencryptNamespacePorts): Handler<typeof reencryptNamespace> {
  const { audited, keyMutations, onJobs } = ports;
  return audited<typeof reencryptNamespace>('key-job.started', async (request, call, attempt) => {
    const credential = await permitReencrypt(ports, request, call, attempt);
    const reply = await keyMutations.run(call, async (transaction) => {
      const { namespaceId } = credential ?? (await transaction.lockNamespace(request.namespace ?? ''));
      const credentialId = credential?.credentialId ?? null;
      const job = await transaction.startJob(
        { kind: 'reencrypt', namespaceId, credentialId },
        call.principal,
      );
      attempt.note({ kind: job.kind, jobId: job.jobId, rows: job.total });
      await announceRecord(transaction, attempt.success());
      return { job: toProgress(job) };
    });
    onJobs();
    return reply;
  });
}

/** @returns the credential, where one is meant. */
async function permitReencrypt(
  { index, askPolicy, clock }: ReencryptNamespacePorts,
  request: RequestOf<typeof reencryptNamespace>,
  call: Call,
  attempt: Attempt,
): Promise<Credential | undefined> {
  const question = { askPolicy, call, attempt, nowMs: clock.now() };
  if (request.name === undefined) {
    const namespace = request.namespace ?? '';
    attempt.concerns('namespace', namespace);
    permitOn(question, 'key.rotate', namespaceResource(namespace));
    return undefined;
  }
  const name = canonicalName(request.name);
  attempt.named(name);
  return permitLookup(question, 'key.rotate', { name }, await index.findByName(name));
}
