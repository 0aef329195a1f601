import type { rewrapKeys } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { namespaceResource, type AskPolicy } from '../domain/access.js';
import { announceRecord } from '../domain/announcements.js';
import type { Audited } from '../domain/audit-trail.js';
import {
  toProgress,
  type KeyJob,
  type KeyJobOrder,
  type KeyMutations,
  type KeyTransaction,
} from '../domain/key-jobs.js';
import { permitOn } from './permit.js';

export interface RewrapKeysPorts {
  readonly audited: Audited;
  readonly askPolicy: AskPolicy;
  readonly keyMutations: KeyMutations;
  readonly clock: Clock;
  /** Somebody should look at the jobs. */
  readonly onJobs: () => void;
}

/** Who may rotate every key may rewrap all of them. */
export const ALL_NAMESPACES = '*';

/**
 * Starts the jobs that bring data keys under the active KEK of their namespace or, with `root`, KEKs and system keys under the KMS as it is
 * configured now. Their end is recorded as `namespace-key.rewrapped` or `root-key.rewrapped`.
 * @throws DENIED, NAMESPACE_NOT_FOUND, KEY_JOB_RUNNING (on any of them; then none is started), STORE_UNAVAILABLE
 */
export function makeRewrapKeys(ports: RewrapKeysPorts): Handler<typeof rewrapKeys> {
  const { audited, askPolicy, keyMutations, clock, onJobs } = ports;
  return audited<typeof rewrapKeys>('key-job.started', async (request, call, attempt) => {
    const namespace = request.namespace ?? ALL_NAMESPACES;
    attempt.concerns('namespace', namespace);
    permitOn({ askPolicy, call, attempt, nowMs: clock.now() }, 'key.rotate', namespaceResource(namespace));
    const reply = await keyMutations.run(call, async (transaction) => {
      const jobs: KeyJob[] = [];
      for (const order of await ordersOf(transaction, request))
        jobs.push(await transaction.startJob(order, call.principal));
      attempt.note({
        kind: request.root ? 'rewrap-root' : 'rewrap',
        jobs: jobs.length,
        rows: jobs.reduce((sum, { total }) => sum + total, 0),
      });
      await announceRecord(transaction, attempt.success());
      return { jobs: jobs.map(toProgress) };
    });
    onJobs();
    return reply;
  });
}

async function ordersOf(
  transaction: KeyTransaction,
  { namespace, root }: { readonly namespace?: string | undefined; readonly root: boolean },
): Promise<KeyJobOrder[]> {
  if (root) return [{ kind: 'rewrap-root', namespaceId: null, credentialId: null }];
  const namespaces =
    namespace === undefined
      ? await transaction.listNamespaces()
      : [await transaction.lockNamespace(namespace)];
  return namespaces.map(({ namespaceId }) => ({ kind: 'rewrap', namespaceId, credentialId: null }));
}
