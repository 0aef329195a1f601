import { HEADERS, readAuditEvent, servicePrincipal } from '@keymesh/contracts';
import { isEventSignedBy, type Delivery } from '@keymesh/mesh';
import type { CurrentPolicy } from '@keymesh/service-kit';
import type { FeedEvent } from '../domain/baseline.js';
import { isLoud } from '../domain/loud-records.js';

/** What a message of the feed is: an event, or why it is none. */
export type FeedMessage =
  | { readonly event: FeedEvent; readonly traceparent: string | undefined }
  | { readonly rejected: 'unsigned' | 'malformed' };

/**
 * Reads a message of `keymesh.v1.audit.>`. One that the audit service did not sign is not counted: else whoever owns the broker
 * could have any principal locked out.
 */
export function readFeedMessage(delivery: Delivery, { directory }: CurrentPolicy): FeedMessage {
  const audit = directory.find(servicePrincipal('audit'));
  const signed = isEventSignedBy(audit?.channelKeys ?? [], {
    subject: delivery.subject,
    id: delivery.header(HEADERS.eventId) ?? '',
    bytes: delivery.data,
    signature: delivery.header(HEADERS.signature) ?? '',
  });
  if (!signed) return { rejected: 'unsigned' };
  const read = readAuditEvent(delivery.data);
  if (read === undefined) return { rejected: 'malformed' };
  const { record, logIndex } = read;
  return {
    traceparent: record.traceparent,
    event: {
      eventId: record.id,
      timeMs: Date.parse(record.time),
      type: record.type,
      outcome: record.outcome,
      code: record.code,
      principal: record.principal ?? (isLoud(record.type) ? servicePrincipal(record.service) : undefined),
      credentialId: record.resource?.kind === 'credential' ? record.resource.id : undefined,
      logIndex,
    },
  };
}
