import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { failure, type AuditRecord } from '@keymesh/contracts';
import { utf8 } from '@keymesh/kernel';
import { parseNoteVerifier, verifyLog } from '@keymesh/transparency-log';
import type { LaterCredential, LaterKill, LaterRecords, LaterTaking } from './later-records.js';

/** Files that were kept elsewhere: `keymesh audit export`, `audit checkpoint` (the newest), `audit key`. */
export interface KeptAuditLog {
  readonly leaves: string;
  readonly checkpoint: string;
  readonly key: string;
}

/**
 * Reads what happened after the backup from an exported audit log, once that is proven to be the continuation of the log that the backup
 * knows: every leaf is hashed, and the roots at the backup's checkpoint and at the kept one must be theirs.
 * @param checkpoint the backup's; null when it was made before the first.
 * @throws LOG_INCONSISTENT when it is another log, USAGE when a file cannot be read
 */
export async function laterFromAuditLog(log: KeptAuditLog, checkpoint: string | null): Promise<LaterRecords> {
  const verifier = parseNoteVerifier((await readText(log.key)).trim());
  if (verifier === undefined) throw unreadable();
  const kept = await readText(log.checkpoint);
  const seen = makeLaterReader();
  const leaves = async function* (): AsyncGenerator<Uint8Array> {
    for await (const line of linesOf(log.leaves)) {
      seen.take(JSON.parse(line) as AuditRecord);
      yield utf8(line);
    }
  };
  const verified = await verifyLog({
    leaves: leaves(),
    checkpoint: kept,
    verifier,
    previousCheckpoint: checkpoint ?? undefined,
  }).catch(() => undefined);
  if (verified?.checks.some(({ check, ok }) => check === 'leaves-reach-checkpoint' && !ok) === true)
    throw endsBeforeCheckpoint();
  if (verified?.ok !== true) throw failure('LOG_INCONSISTENT');
  return seen.later();
}

/** Folds records in their order into what they come to. Records of the time before the backup say nothing that it does not hold. */
export function makeLaterReader() {
  const credentials = new Map<string, { -readonly [K in keyof LaterCredential]: LaterCredential[K] }>();
  const takings = new Map<string, LaterTaking>();
  const kills = new Map<string, LaterKill>();
  let maxRevision = 0;
  let maxEpoch = 0;

  const ofCredential = (record: AuditRecord): void => {
    const { id, version = 0, revision = 0 } = record.resource ?? {};
    if (id === undefined) return;
    const known = credentials.get(id) ?? { ...UNTOUCHED, destroyed: new Map<number, number>() };
    credentials.set(id, known);
    known.lastVersion = Math.max(known.lastVersion, version);
    maxRevision = Math.max(maxRevision, revision);
    if (record.outcome === 'success') EFFECTS[record.type]?.(known, record, Date.parse(record.time));
  };
  const ofPrincipal = (record: AuditRecord): void => {
    const principal = record.resource?.id;
    if (principal === undefined || record.outcome !== 'success') return;
    const reason = RECORDED;
    if (record.type === 'principal.disabled')
      takings.set(`${principal} disabled`, { principal, status: 'disabled', until: null, reason });
    if (record.type === 'principal.locked' && typeof record.facts?.lockedUntil === 'string')
      takings.set(`${principal} locked`, {
        principal,
        status: 'locked',
        until: record.facts.lockedUntil,
        reason,
      });
    if (isTakenByOthers(record, principal))
      takings.set(`${principal} changed`, { principal, status: 'disabled', until: null, reason: CHANGED });
    if (record.type === 'principal.enabled') takings.delete(`${principal} disabled`);
    if (['principal.enabled', 'principal.unlocked'].includes(record.type))
      takings.delete(`${principal} locked`);
  };

  const ofKillSwitch = ({ type, outcome, time, principal = '', facts }: AuditRecord): void => {
    const { killId, scope, name } = facts ?? {};
    if (outcome !== 'success' || typeof killId !== 'string' || typeof scope !== 'string') return;
    const rest = { scope, name: typeof name === 'string' ? name : null, since: time, by: principal };
    if (type === 'kill-switch.set') kills.set(killId, { killId, ...rest, reason: RECORDED });
    if (type === 'kill-switch.lifted') kills.delete(killId);
  };

  return {
    take(record: AuditRecord): void {
      if (record.resource?.kind === 'credential') ofCredential(record);
      if (record.resource?.kind === 'principal') ofPrincipal(record);
      if (record.type.startsWith('kill-switch.')) ofKillSwitch(record);
      if (record.type === 'backup.restored') maxEpoch = Math.max(maxEpoch, Number(record.facts?.epoch ?? 0));
    },
    later: (): LaterRecords => ({
      source: 'audit-log',
      credentials,
      takings: [...takings.values()],
      kills: [...kills.values()],
      maxRevision,
      maxEpoch,
    }),
  };
}

const RECORDED = 'recorded before the restore';
const CHANGED = 'roles or keys were taken after the backup: take them again before enabling it';

/**
 * Roles and keys are operators' signed statements, which an audit log does not hold, so the backup gives them back. Who lost a role, or a key by
 * somebody else's word, is therefore disabled, also where it was enabled later; who replaced its own keys is not.
 */
const isTakenByOthers = ({ type, principal: by, facts }: AuditRecord, principal: string): boolean => {
  if (type === 'principal.keys-removed') return by !== principal;
  if (type !== 'principal.roles-set') return false;
  const kept = String(facts?.roles ?? '').split(' ');
  return String(facts?.before ?? '')
    .split(' ')
    .some((role) => role !== '' && !kept.includes(role));
};

const UNTOUCHED = {
  lastVersion: 0,
  deletedAtMs: null,
  recoverableUntilMs: null,
  purgedAtMs: null,
  inactive: false,
};

type Effect = (
  known: { -readonly [K in keyof LaterCredential]: LaterCredential[K] },
  record: AuditRecord,
  atMs: number,
) => void;

/** What takes away, and what gives back, by the type of its record. */
const EFFECTS: Readonly<Record<string, Effect>> = {
  'credential.deleted': (known, { facts }, atMs) => {
    known.deletedAtMs = atMs;
    // Without a recovery window its versions were destroyed with it.
    if (facts?.recoveryDays === 0) known.purgedAtMs = atMs;
  },
  'credential.restored': (known) => void (known.deletedAtMs = null),
  'credential.purged': (known, _, atMs) => void (known.purgedAtMs = atMs),
  'credential.deactivated': (known) => void (known.inactive = true),
  'credential.activated': (known) => void (known.inactive = false),
  'version.destroyed': (known, { resource }, atMs) => {
    if (resource?.version !== undefined)
      known.destroyed = new Map(known.destroyed).set(resource.version, atMs);
  },
};

async function* linesOf(path: string): AsyncGenerator<string> {
  const input = createReadStream(path);
  // An error of the stream would reach nobody: readline does not pass it on.
  const broken = new Promise<never>((_, reject) => input.once('error', () => reject(unreadable())));
  broken.catch(() => undefined);
  await Promise.race([broken, new Promise((resolve) => input.once('open', resolve))]);
  for await (const line of createInterface({ input, crlfDelay: Infinity })) if (line !== '') yield line;
}

const readText = (path: string): Promise<string> =>
  readFile(path, 'utf8').catch(() => {
    throw unreadable();
  });

const endsBeforeCheckpoint = () =>
  failure('USAGE', {
    publicMessage:
      'The exported audit log ends before the checkpoint: something is cut off, or the checkpoint was taken after the export. Take the checkpoint first, then export.',
  });

const unreadable = () =>
  failure('USAGE', {
    publicMessage:
      'The audit log, its checkpoint or its key cannot be read. Pass what `keymesh audit export`, `audit checkpoint` and `audit key` wrote.',
  });
