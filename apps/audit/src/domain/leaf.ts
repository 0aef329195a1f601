import { MAX_LEAF_BYTES, type ServiceName } from '@keymesh/contracts';
import { fromUtf8 } from '@keymesh/kernel';

/** What the ledger itself needs to know of a leaf. The rest of its bytes is evidence and kept as it is. */
export interface LeafFacts {
  readonly eventId: string;
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly type: string;
  readonly principal: string | null;
  readonly resourceId: string | null;
  readonly traceId: string | null;
  readonly traceparent: string | null;
}

const NEWLINE = 0x0a;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
// Years that Postgres and JavaScript both know.
const TIME = /^(?:19[7-9]\d|[2-9]\d{3})-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/;
const TYPE = /^[a-z][a-z-]{0,63}\.[a-z][a-z-]{0,63}$/;
// Postgres takes no NUL in a text, and a search column needs no more than an id.
const ID = /^[\x21-\x7e]{1,200}$/;
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/;

/**
 * Reads a leaf as far as the ledger needs it. Deliberately not the whole schema of a record: what a service has signed is taken
 * even when its version is newer than ours.
 * @returns undefined unless it is one line of JSON with id, time, type and the service that sent it.
 */
export function readLeaf(leaf: Uint8Array, producer: ServiceName): LeafFacts | undefined {
  if (leaf.length > MAX_LEAF_BYTES || leaf.includes(NEWLINE)) return undefined;
  const record = parseObject(leaf);
  if (record?.service !== producer) return undefined;
  const { id, time, type } = record;
  if (!isText(id, UUID) || !isText(type, TYPE)) return undefined;
  const timeMs = isText(time, TIME) ? Date.parse(time) : Number.NaN;
  if (Number.isNaN(timeMs)) return undefined;
  const resource: unknown = record.resource;
  const traceparent = readTraceparent(record.traceparent) ?? null;
  return {
    eventId: id,
    // Written anew: Date.parse takes the 30th of February, Postgres does not.
    time: new Date(timeMs).toISOString(),
    type,
    principal: isText(record.principal, ID) ? record.principal : null,
    resourceId: isObject(resource) && isText(resource.id, ID) ? resource.id : null,
    traceId: traceparent === null ? null : traceparent.slice(3, 35),
    traceparent,
  };
}

/** @returns undefined unless it is a W3C trace context: it may be anything that a producer wrote. */
export const readTraceparent = (value: unknown): string | undefined =>
  isText(value, TRACEPARENT) ? value : undefined;

/** Whether the trace of this header is recorded; only then spans are made for it. */
export const isSampled = (traceparent: string): boolean => parseInt(traceparent.slice(-2), 16) % 2 === 1;

const isText = (value: unknown, pattern: RegExp): value is string =>
  typeof value === 'string' && pattern.test(value);
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function parseObject(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(fromUtf8(bytes));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
