import { announceExpiry, announceRecord } from '../domain/announcements.js';
import type { Credential } from '../domain/credential.js';
import { dueNotice, nextNoticeAtMs, type ExpiryNotice } from '../domain/expiry.js';
import type { SystemRecorder } from '../domain/system-record.js';
import type { Mutations, MutationTransaction } from '../domain/mutations.js';
import type { MetadataIndex } from '../domain/ports.js';
import { callOfVault, lifecycleRecord } from '../domain/lifecycle-record.js';

/** Notices in one transaction. */
const BATCH = 50;

export interface ExpiryPorts extends SystemRecorder {
  readonly index: Pick<MetadataIndex, 'listByName'>;
  readonly mutations: Mutations;
  /** Something was committed that is to be published. */
  readonly pokeOutbox: () => void;
}

interface Due {
  readonly credential: Credential;
  readonly notice: ExpiryNotice;
}

/**
 * Gives the notices of expiry that are due: audit record and event, once each, whoever restarts or runs beside. What is due is reckoned from memory;
 * that it was given is kept in Postgres, in the transaction that gives it.
 * @returns one round: resolves to the time of the next deadline. Rejects with STORE_UNAVAILABLE, then nothing of its last batch was given.
 */
export function makeExpiryRound(ports: ExpiryPorts): () => Promise<number | undefined> {
  // Only to spare Postgres the question; each of these it has been told.
  let given = new Set<string>();
  return async () => {
    const { credentials, stale } = await ports.index.listByName();
    if (stale) return undefined;
    const nowMs = ports.clock.now();
    const due = credentials.flatMap((credential): Due[] => {
      const notice = dueNotice(credential, nowMs);
      return notice === undefined ? [] : [{ credential, notice }];
    });
    given = new Set(due.map(({ notice }) => keyOf(notice)).filter((key) => given.has(key)));
    const left = due.filter(({ notice }) => !given.has(keyOf(notice)));
    for (let at = 0; at < left.length; at += BATCH) {
      const batch = left.slice(at, at + BATCH);
      if (!(await giveAll(ports, batch, nowMs))) return undefined;
      for (const { notice } of batch) given.add(keyOf(notice));
    }
    return earliest(credentials, nowMs);
  };
}

/** @returns false when another instance is at it. */
async function giveAll(ports: ExpiryPorts, batch: readonly Due[], nowMs: number): Promise<boolean> {
  const { isOurs } = await ports.mutations.run(callOfVault(ports.clock), async (transaction) => {
    const isOurs = await transaction.holdJob('expiry');
    for (const due of isOurs ? batch : []) await giveOnce(ports, transaction, due, nowMs);
    return { reply: { isOurs } };
  });
  ports.pokeOutbox();
  return isOurs;
}

async function giveOnce(
  ports: ExpiryPorts,
  transaction: MutationTransaction,
  { credential, notice }: Due,
  nowMs: number,
): Promise<void> {
  if (!(await transaction.claimNotice(notice, nowMs))) return;
  const { daysBefore } = notice;
  const expiresAt = new Date(notice.expiresAtMs).toISOString();
  const record =
    daysBefore === 0
      ? lifecycleRecord(ports, 'credential.expired', credential, {
          expiresAt,
          atExpiry: credential.policy.atExpiry,
        })
      : lifecycleRecord(ports, 'credential.expiring', credential, { expiresAt, daysBefore });
  await announceRecord(transaction, record);
  await announceExpiry(transaction, credential, notice, nowMs);
}

const keyOf = ({ credentialId, expiresAtMs: at, daysBefore }: ExpiryNotice): string =>
  `${credentialId} ${String(at)} ${String(daysBefore)}`;

function earliest(credentials: readonly Credential[], nowMs: number): number | undefined {
  let first: number | undefined;
  for (const credential of credentials) {
    const next = nextNoticeAtMs(credential, nowMs);
    if (next !== undefined && (first === undefined || next < first)) first = next;
  }
  return first;
}
