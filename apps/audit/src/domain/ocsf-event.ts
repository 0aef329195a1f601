import type { AuditEvent, AuditRecord } from '@keymesh/contracts';
import { fromUtf8 } from '@keymesh/kernel';
import { classify, OCSF_CLASSES } from './ocsf-class.js';

const OCSF_VERSION = '1.3.0';
const PRODUCT = { name: 'Keymesh', vendor_name: 'Keymesh', lang: 'en' };
/** OCSF user types. */
const USER_TYPES = {
  service: [3, 'System'],
  system: [3, 'System'],
  agent: [99, 'Other'],
  operator: [2, 'Admin'],
} as const;
const OUTCOMES = {
  success: { status_id: 1, status: 'Success', severity_id: 1, severity: 'Informational' },
  denied: { status_id: 2, status: 'Failure', severity_id: 3, severity: 'Medium' },
  failure: { status_id: 2, status: 'Failure', severity_id: 2, severity: 'Low' },
} as const;

/** A leaf of the ledger as the feed needs it. */
export interface LedgerLeaf {
  readonly index: number;
  readonly leaf: Uint8Array;
  /** Hex. */
  readonly leafHash: string;
}

/** A leaf with the record that it holds. */
export interface RecordedLeaf extends LedgerLeaf {
  readonly text: string;
  readonly record: AuditRecord;
}

/** Reads the record of a leaf that is in the ledger, so has the form of one. */
export function readRecord(entry: LedgerLeaf): RecordedLeaf {
  const text = fromUtf8(entry.leaf);
  return { ...entry, text, record: JSON.parse(text) as AuditRecord };
}

/**
 * The OCSF event of a leaf. Deterministic: the same leaf at the same index always gives the same bytes, so that the feed can be
 * rebuilt. Holds what the leaf holds, so no name, personal field or value; readable values beside the leaf do not go out.
 * INVARIANT: every leaf has one. Of a record whose other fields are not of the form we know, only the ledger's own go into the event
 * (and the whole leaf into `raw_data`): no producer can hold up the feed.
 */
export function toOcsfEvent(recorded: RecordedLeaf, logOrigin: string): AuditEvent {
  try {
    return eventOf(recorded, logOrigin);
  } catch {
    const { id, time, type, service } = recorded.record;
    const bare: AuditRecord = { v: 1, id, time, type, service, instance: '', outcome: 'failure' };
    return eventOf({ ...recorded, record: bare }, logOrigin);
  }
}

function eventOf({ index, leafHash, text, record }: RecordedLeaf, logOrigin: string): AuditEvent {
  const { class: ocsfClass, activity } = classify(record.type);
  const outcome = Object.hasOwn(OUTCOMES, record.outcome) ? OUTCOMES[record.outcome] : OUTCOMES.failure;
  return {
    class_uid: ocsfClass.uid,
    class_name: ocsfClass.name,
    category_uid: ocsfClass.categoryUid,
    category_name: ocsfClass.category,
    activity_id: activity.id,
    activity_name: activity.name,
    type_uid: ocsfClass.uid * 100 + activity.id,
    type_name: `${ocsfClass.name}: ${activity.name}`,
    time: Date.parse(record.time),
    ...outcome,
    ...defined({ status_code: record.code }),
    message: `${record.type} ${record.outcome}`,
    metadata: {
      version: OCSF_VERSION,
      product: { ...PRODUCT, feature: { name: record.service } },
      profiles: ['security_control'],
      uid: record.id,
      sequence: index,
      event_code: record.type,
      log_name: logOrigin,
      original_time: record.time,
      ...defined({ correlation_uid: record.requestId }),
    },
    actor: actorOf(record),
    ...bodyOf(record, ocsfClass.uid),
    ...dispositionOf(record),
    unmapped: { leaf_hash: leafHash, ...defined({ facts: record.facts, traceparent: record.traceparent }) },
    raw_data: text,
  };
}

function bodyOf(record: AuditRecord, classUid: number): Record<string, unknown> {
  const source = { name: record.principal ?? `_${record.service}` };
  const resource = resourceOf(record);
  if (classUid === OCSF_CLASSES.entityManagement.uid)
    return { entity: resource ?? { type: record.type.split('.')[0] } };
  if (classUid === OCSF_CLASSES.authentication.uid) {
    return {
      user: userOf(record),
      service: { name: record.service, uid: record.instance },
      src_endpoint: source,
      auth_protocol_id: 99,
      auth_protocol: 'nkey and channel',
    };
  }
  return {
    api: {
      operation: record.type,
      service: { name: record.service, uid: record.instance },
      ...defined({ request: record.requestId === undefined ? undefined : { uid: record.requestId } }),
      ...defined({ response: record.code === undefined ? undefined : { error: record.code } }),
    },
    src_endpoint: source,
    ...defined({ resources: resource === undefined ? undefined : [resource] }),
  };
}

function resourceOf({ resource }: AuditRecord): Record<string, unknown> | undefined {
  if (resource === undefined) return undefined;
  const { kind, id, version, revision, nameCommitment } = resource;
  const data = defined({ revision, name_commitment: nameCommitment });
  return {
    type: kind,
    ...defined({ uid: id, version: version === undefined ? undefined : String(version) }),
    ...(Object.keys(data).length === 0 ? {} : { data }),
  };
}

function userOf(record: AuditRecord): Record<string, unknown> {
  const name = record.principal ?? `_${record.service}`;
  const kind = record.decision?.request.principal.kind ?? (name.startsWith('_') ? 'system' : undefined);
  const [type_id, type] = (kind === undefined ? undefined : USER_TYPES[kind]) ?? [0, 'Unknown'];
  return { name, uid: name, type_id, type };
}

function actorOf(record: AuditRecord): Record<string, unknown> {
  const { decision, session } = record;
  return {
    user: userOf(record),
    ...defined({ session: session === undefined ? undefined : { uid: session } }),
    ...defined({
      authorizations: decision?.determiningPolicies.map((uid) => ({
        decision: decision.effect,
        policy: { uid, version: String(decision.bundleVersion) },
      })),
    }),
  };
}

function dispositionOf({ outcome }: AuditRecord): Record<string, unknown> {
  return outcome === 'denied'
    ? { action_id: 2, action: 'Denied', disposition_id: 2, disposition: 'Blocked' }
    : { action_id: 1, action: 'Allowed', disposition_id: 1, disposition: 'Allowed' };
}

/** Without the fields that are undefined. */
const defined = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
